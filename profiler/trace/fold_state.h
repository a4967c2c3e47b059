/*
 * fold_state: what a fold is made of, for the files that work on it:
 * fold.c (events), windows.c (levels over time), fold_result.c (what came of
 * it), checkpoint_save.c and checkpoint_load.c (to a file and back).
 */
#ifndef STRANDLINE_TRACE_FOLD_STATE_H
#define STRANDLINE_TRACE_FOLD_STATE_H

#include "profiler/base/vec.h"
#include "profiler/trace/fold.h"
#include "profiler/trace/live.h"
#include "profiler/trace/makers.h"
#include "profiler/trace/mappings.h"
#include "profiler/trace/requests.h"
#include "profiler/trace/spans.h"
#include "profiler/trace/threads.h"

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define WINDOW_NONE UINT32_MAX
#define STACK_NONE  UINT32_MAX
#define FOLD_OWED   64u
#define FOLD_ARENA  (1ULL << 63) /* beside the stack of a mapping */
#define LEVELS_MAX  (1u << 20)	 /* more of them widen the windows */

struct stack { /* stored as it is: no pointer, no padding */
	struct fold_sum live, allocated;
	struct fold_sum peak;	 /* live at the peak of `epoch` */
	uint64_t epoch;		 /* the peak that `peak` belongs to */
	uint64_t blocks;	 /* alive */
	double low, young;	 /* within `window`, see windows.c */
	double window_allocated; /* what `allocated` was at its start */
	uint32_t window;	 /* the latest it changed in, or NONE */
	uint32_t node, route;
	uint32_t next; /* of the same node: index + 1, 0 none */
	struct fold_sum temporary;
	uint64_t samples;
	double mapped, heap_grown, descriptors;
};
_Static_assert(sizeof(struct stack) == 4 * 32 + 11 * 8, "stored");

struct owed { /* a FREE that an ALLOC of the same address overtook */
	uint64_t addr, ticks;
};

/*
 * The part that is numbers only, stored as it is.
 */
struct fold_core {
	struct fold_sum live, allocated;
	struct fold_sum peak;
	uint64_t epoch, peak_ticks;
	/* windows */
	uint64_t first_ticks, window_ticks;
	uint64_t window_end; /* ticks where the current window ends */
	struct fold_sum window_allocated, window_released; /* at its start */
	uint64_t window_requests, window_errors;	   /* within it */
	/* Index now; and a number that is one more for each window begun, two
	 * more after windows without events. */
	uint32_t window, serial;
	/* events */
	uint64_t last_ticks;
	uint64_t records, releases, inherited;
	uint64_t mean;
	double mapped, heap_grown;
	uint64_t torn;	     /* slabs with bytes that could not be read */
	uint64_t owed_ticks; /* of the latest in owed[] */
	uint64_t owed_next;
	struct owed owed[FOLD_OWED];
};

struct series {
	VEC(struct fold_level) levels;
};

struct fold {
	struct fold_core core;
	double constant; /* sample_constant of the header */
	uint64_t thread_grace;
	uint32_t node_limit; /* a larger node id is damage */
	bool failed;	     /* out of memory */
	struct live live;
	VEC(struct stack) stacks;
	VEC(struct series) series; /* of stacks.at[i] */
	size_t level_count;	   /* in all series */
	uint32_t *by_node;	   /* node -> index + 1 of its latest stack */
	size_t by_node_len;
	struct threads threads;
	VEC(struct fold_window) windows; /* those that have ended */
	struct mappings mappings;
	struct requests requests;
	struct makers makers;
	struct spans spans;
	double ticks_per_ns;
	/* filled by fold_finish() */
	VEC(struct fold_stack) stacks_out;
	VEC(struct fold_thread) threads_out;
	VEC(struct fold_route) routes_out;
	VEC(struct fold_span) spans_out;
	struct fold_result result;
};

/*
 * fold.c: the stack of @node when it serves @route, made at first sight; or
 * STACK_NONE (failed).
 */
uint32_t fold_stack_of(struct fold *f, uint32_t node, uint32_t route);
/*
 * Stack @index was put in place: find it by its node and route from here on.
 * False when there is one already, or out of memory (failed).
 */
bool fold_index_stack(struct fold *f, size_t index);
struct fold_sum fold_released(const struct fold *f);

/* windows.c */
void windows_begin(struct fold *f, uint64_t first_ticks, uint64_t width);
/* Where window @index ends. */
uint64_t windows_end(const struct fold_core *c, uint32_t index);
/* @ticks is past the current window: end it and begin the one of @ticks. */
void windows_advance(struct fold *f, uint64_t ticks);
/* End the current window for good. */
void windows_finish(struct fold *f);
/* The first change of stack @index in this window is about to happen. */
void windows_enter(struct fold *f, uint32_t index);

/* What @s holds is what it held at the latest peak: keep it. */
static inline struct stack *settle_peak(struct fold *f, struct stack *s)
{
	if (s->epoch != f->core.epoch) {
		s->peak = s->live;
		s->epoch = f->core.epoch;
	}
	return s;
}

/* Before the live sum of a stack changes. */
static inline struct stack *fold_touch(struct fold *f, uint32_t index)
{
	struct stack *s = settle_peak(f, &f->stacks.at[index]);

	if (unlikely(s->window != f->core.window))
		windows_enter(f, index);
	return s;
}

#endif
