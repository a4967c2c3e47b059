/*
 * spans: the fold's account of what the program has named (strandline.h).
 *
 * A thread is at one span at a time.  What it allocates meanwhile goes to that
 * span when the thread turns to another, and to the span's parent when it
 * ends, so that an event costs the same however deep spans nest.  A span whose
 * task hops between threads is at one of them after the other.
 */
#ifndef STRANDLINE_TRACE_SPANS_H
#define STRANDLINE_TRACE_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/vec.h"
#include "profiler/trace/fold.h"

struct histo;
struct thread;

/* More than so many at a time: the eldest is given up, and counted. */
#define SPANS_OPEN_MAX 4096u
/* Names beyond are damage. */
#define SPANS_NAME_MAX 1024u

struct span { /* one that is open; stored as it is: no pointer, no padding */
	uint64_t number, parent; /* parent 0: none */
	uint64_t name;
	uint64_t began; /* ticks */
	double busy;	/* ticks that threads were at it */
	struct fold_sum allocated;
};

struct span_counts { /* stored as it is */
	uint32_t name, pad;
	uint64_t count;
	double busy; /* ticks */
	struct fold_sum allocated;
};

struct span_name {
	struct span_counts counts;
	struct histo *took; /* ns; NULL until one has ended */
};

struct spans {
	VEC(struct span) open;	     /* by number */
	VEC(struct span_name) names; /* by name */
	uint64_t forgotten;
};

void spans_fini(struct spans *s);
/*
 * What the SPAN event @e of @t says, whose thread allocated what @t says until
 * now; a nanosecond has @slope ticks.  False when out of memory.
 */
bool spans_step(struct spans *s, struct thread *t, const struct fold_event *e,
		double slope);
/* @t is at none from @ticks on. */
void spans_leave(struct spans *s, struct thread *t, uint64_t ticks);

/* For who loads them: NULL when there is none of that name. */
struct span_name *spans_find_name(struct spans *s, uint32_t name);
/* Made at first sight; NULL when out of memory. */
struct span_name *spans_name(struct spans *s, uint32_t name);

#endif
