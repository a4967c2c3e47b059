/*
 * worker: a thread that does jobs in the order they are given, at the lowest
 * priority, and says when one is done.
 */
#ifndef STRANDLINE_CMD_WORKER_H
#define STRANDLINE_CMD_WORKER_H

#include <stdbool.h>

struct worker;

/* The first member of what a caller gives; its own again once it is done. */
struct worker_job {
	void (*run)(struct worker_job *job); /* by the thread */
	struct worker_job *next;
};

/* Signals that the caller blocks are blocked in the thread.  0 or -errno. */
int worker_start(struct worker **out);
/* Does what is left to do first.  NULL is fine. */
void worker_stop(struct worker *w);

void worker_give(struct worker *w, struct worker_job *job);
/* The oldest job that is done and was not taken yet; NULL: none. */
struct worker_job *worker_take(struct worker *w);
/* Readable when there is one to take. */
int worker_fd(const struct worker *w);

#endif
