/*
 * find: the recording that somebody means.
 */
#ifndef STRANDLINE_CMD_FIND_H
#define STRANDLINE_CMD_FIND_H

#include <limits.h>

struct err;

/*
 * @word is a recording's directory, or the number of a process that is being
 * recorded: by the shim in it, or by a strandline that is attached to it.  A
 * directory goes before a process.  -ENOTDIR, -ESRCH, -ENOENT.
 */
int find_recording(const char *word, char dir[PATH_MAX], struct err *err);

#endif
