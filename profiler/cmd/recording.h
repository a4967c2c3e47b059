/*
 * recording: the directory that a run fills, seen from outside while the shim
 * writes into it.
 */
#ifndef STRANDLINE_CMD_RECORDING_H
#define STRANDLINE_CMD_RECORDING_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/wire/slab.h"

struct err;

/*
 * Make the directory @wanted, or when that is NULL NAME-<n>.strand in the
 * current one, NAME being @command's last path component and n the first
 * number that is free.  What exists is never touched: -EEXIST.
 */
int recording_create(const char *wanted, const char *command,
		     char path[PATH_MAX], struct err *err);

/* Take away what was made for a server that then did not start. */
void recording_discard(const char *path);

/* The files of @folder, "." for all, in the directory @dir; NULL: unreadable.
 * To be closed with closedir(). */
DIR *recording_list(int dir, const char *folder);

/* It has a file that a recording has. */
bool recording_is(const char *path);

/* "123.slabs" is image 0 of process 123, "123.2.slabs" its image 2. */
bool recording_parse_name(const char *name, pid_t *pid, uint32_t *image);

/* The path of that file below @dir. */
void recording_file(const char *dir, pid_t pid, uint32_t image,
		    char path[PATH_MAX]);

/* What the shim counts in a process's file: the second page of its header. */
struct recording_page {
	struct slab_control control;
	uint64_t slabs_taken, slabs_given_back;
	struct slab_stats stats;
	struct slab_allocator_stats allocator;
	struct slab_python python;
};

/*
 * Read it for @image of @pid in the directory @dir.  False when there is no
 * such file, or nothing in it yet.
 */
bool recording_read_page(int dir, pid_t pid, uint32_t image,
			 struct recording_page *page);

/*
 * The program of that image, as /proc/PID/exe read, cut to 255 bytes, and when
 * it began.
 */
bool recording_read_exe(int dir, pid_t pid, uint32_t image,
			char exe[sizeof(((struct slab_file *)0)->exe)],
			uint64_t *began_ns);

/* Its parent when it began; 0 when there is nothing in the file yet. */
pid_t recording_read_parent(int dir, pid_t pid, uint32_t image);

/* When its first process began, ns since 1970; 0 where that is not known. */
uint64_t recording_began(const char *path);

/* All its processes have ended in good order: there is nothing to add to. */
bool recording_ended(const char *path);

#endif
