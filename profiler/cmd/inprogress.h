/*
 * inprogress: the recording that a process is being recorded into.
 */
#ifndef STRANDLINE_CMD_INPROGRESS_H
#define STRANDLINE_CMD_INPROGRESS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/*
 * By the file that the recorder in it has mapped, else by those that a
 * strandline which watches it has open.  False: nothing records it, or it may
 * not be looked into.
 */
bool inprogress_find(pid_t pid, char dir[PATH_MAX]);

#endif
