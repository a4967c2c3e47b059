/*
 * threads: who wrote the events, by tid.
 *
 * A server may start threads without end, so only so many ended ones are kept
 * apart; the eldest of them are added up and forgotten.
 */
#ifndef STRANDLINE_TRACE_THREADS_H
#define STRANDLINE_TRACE_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/vec.h"
#include "profiler/trace/fold.h"
#include "profiler/trace/live.h"

#define THREADS_MAX 65536u
#define THREAD_NONE UINT32_MAX

struct thread {		    /* stored as it is: no pointer, no padding */
	uint64_t last_addr; /* of its latest exact ALLOC */
	struct live_block released; /* its latest FREE, for UNFREE; addr 0 */
	struct fold_sum allocated;
	uint64_t began, ended; /* ticks; ended 0: alive */
	int32_t tid;
	uint32_t released_temporary; /* that FREE counted as temporary */
	char name[16];
	uint32_t route;		  /* what it works for; 0: for no request */
	uint32_t released_serial; /* the window of that FREE */
	double released_low;	  /* its stack's `low` before it */
	/* Since its request began: what it allocated less what it freed. */
	double net, net_peak;
	uint64_t span;		      /* number of the one it is at; 0: none */
	uint64_t at_span;	      /* since these ticks */
	struct fold_sum at_allocated; /* what `allocated` was then */
};
_Static_assert(sizeof(struct thread) ==
		       8 + 32 + 32 + 16 + 8 + 16 + 8 + 8 + 16 + 8 + 8 + 32,
	       "stored");

struct threads {
	VEC(struct thread) at;
	struct hash *by_tid; /* to the latest thread of a tid */
	uint64_t forgotten;
	struct fold_sum forgotten_allocated;
	size_t oldest; /* where to look for one to forget */
};

int threads_init(struct threads *t); /* 0 or -ENOMEM */
void threads_fini(struct threads *t);
/* The latest thread of @tid, or THREAD_NONE. */
uint32_t threads_find(const struct threads *t, int32_t tid);
/*
 * The thread that writes as @tid at @ticks, made at first sight.  A tid is
 * used again by later threads; but a destructor that frees after EXIT is
 * still the same one, so a thread seen within @grace ticks lives on.
 * THREAD_NONE when out of memory.
 */
uint32_t threads_get(struct threads *t, int32_t tid, uint64_t ticks,
		     uint64_t grace);
/* After at[] was filled from elsewhere: 0 or -ENOMEM. */
int threads_index(struct threads *t);

#endif
