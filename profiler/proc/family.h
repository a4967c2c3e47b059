/*
 * family: a process and all that it and those have started, as far as they
 * live.
 */
#ifndef STRANDLINE_PROC_FAMILY_H
#define STRANDLINE_PROC_FAMILY_H

#include <sys/types.h>

/*
 * Call @each with every descendant of @pid, parents first, but not with @pid.
 * One that is being born meanwhile may be missed.
 */
void family_each(pid_t pid, void (*each)(void *context, pid_t pid),
		 void *context);

#endif
