/*
 * inject_check: why a process could not be entered, before anything is tried.
 */
#ifndef STRANDLINE_ATTACH_INJECT_CHECK_H
#define STRANDLINE_ATTACH_INJECT_CHECK_H

#include <stdint.h>
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

/*
 * Is there room for its thread-local memory, where it must still be loaded?
 * 0, and what is unused (0: not known), or -ENOTSUP.
 */
int inject_check_room(const struct loader *l, const struct buf *image,
		      uint64_t *unused, struct err *err);

#endif
