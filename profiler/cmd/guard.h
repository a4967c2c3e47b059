/*
 * guard: a small process beside this one that makes the recorder leave the
 * servers it was sent into, should this one be killed.
 *
 * It knows of our end by a pipe, so nothing but its own death keeps it from
 * its work; against that the recorder looks for itself whether anybody keeps
 * the recording (preload/late.h).
 */
#ifndef STRANDLINE_CMD_GUARD_H
#define STRANDLINE_CMD_GUARD_H

#include <sys/types.h>

struct buf;
struct err;
struct guard;

/* From a process of one thread.  @image is what inject_detach() takes. */
int guard_start(struct guard **out, const struct buf *image, struct err *err);
/* @pid has the recorder in it from here on. */
void guard_watch(struct guard *g, pid_t pid);
/* It is out of all: there is nothing left to guard.  NULL is fine. */
void guard_stop(struct guard *g);

#endif
