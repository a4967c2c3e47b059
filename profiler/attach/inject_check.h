/*
 * inject_check: why a process could not be entered, before anything is tried.
 */
#ifndef STRANDLINE_ATTACH_INJECT_CHECK_H
#define STRANDLINE_ATTACH_INJECT_CHECK_H

#include <sys/types.h>

struct buf;
struct err;
struct loader;

/*
 * By its state, its rights and its confinement.  0, or -errno with a sentence:
 * -ESRCH, -EPERM, -EBUSY, -ENOTSUP.
 */
int inject_check_process(pid_t pid, struct err *err);

/* Take the recorder of @image's build, where it is there; -EALREADY. */
int inject_check_recorder(struct loader *l, const struct buf *image,
			  struct err *err);

#endif
