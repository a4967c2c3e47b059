/*
 * pytasks: asyncio's tasks and the coroutines that each is at, read from
 * outside without running any Python, whatever the event loop.
 *
 * A task that is suspended is on no thread's stack: where it will go on is in
 * its coroutine, in what that one awaits, and so on.  Those are followed here,
 * up to what is no coroutine: a future, or another task.  The process goes on
 * meanwhile: what has changed under the reader's hands is cut off.
 *
 * Until 3.13 asyncio keeps its tasks in a set; since then each thread has a
 * list of its own.  Where in a task its coroutine stands is not told by any
 * version before; it is found by looking for a coroutine there.
 */
#ifndef STRANDLINE_ATTACH_PYTASKS_H
#define STRANDLINE_ATTACH_PYTASKS_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/attach/pyframes.h"
#include "profiler/base/vec.h"

enum pytask_state {
	PYTASK_WAITING,
	PYTASK_READY,	/* what it waited for is there; or it is to begin */
	PYTASK_RUNNING, /* it is on the stack of a thread */
};

struct pytask {
	uint64_t place; /* what tells it from others */
	enum pytask_state state;
	char name[96];	     /* "Task-7", or as the program named it */
	char waits[96];	     /* type of what it waits for: "Future"; "" */
	uint64_t waits_on;   /* the place of that task; 0: it is none */
	size_t first, count; /* in `frames`, innermost first */
};

struct pytasks {
	VEC(struct pytask) tasks; /* that have not ended, oldest first */
	VEC(struct cpython_frame) frames;
};

/* After pyframes_copy().  0 or -ENOMEM; none where there is no asyncio. */
int pytasks_read(struct pytasks *t, const struct pyframes *python);
/* The task at @place, or NULL. */
const struct pytask *pytasks_at(const struct pytasks *t, uint64_t place);
void pytasks_fini(struct pytasks *t); /* a zeroed one is fine */

#endif
