/*
 * program: the file that a command runs, and whether the shim can be in it.
 */
#ifndef STRANDLINE_CMD_PROGRAM_H
#define STRANDLINE_CMD_PROGRAM_H

#include <limits.h>

struct err;

/*
 * Find @name as a shell would, along @search (PATH) unless it has a slash.
 * -ENOENT, -EACCES with a sentence.
 */
int program_find(const char *name, const char *search, char path[PATH_MAX],
		 struct err *err);

/*
 * Tell, before it is started, a program that would run without the shim: one
 * linked statically, of another machine or word size, against another C
 * library, or privileged by its file.  Interpreters of scripts are looked at
 * in the script's place.  0, or -ENOEXEC and others with a sentence.
 */
int program_check(const char *path, struct err *err);

/* libstrandline.so: $STRANDLINE_LIBRARY, else near @exe (our own path). */
int program_library(const char *exe, char path[PATH_MAX], struct err *err);

#endif
