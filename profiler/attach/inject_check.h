/*
 * inject_check: why a process could not be entered, before anything is tried.
 */
#ifndef STRANDLINE_ATTACH_INJECT_CHECK_H
#define STRANDLINE_ATTACH_INJECT_CHECK_H

#include <sys/types.h>

struct err;

/*
 * By its state, its rights and its confinement.  0, or -errno with a sentence:
 * -ESRCH, -EPERM, -EBUSY, -ENOTSUP.
 */
int inject_check_process(pid_t pid, struct err *err);

#endif
