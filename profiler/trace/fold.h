/*
 * fold: a process's events, in time order, folded into per-stack totals.
 *
 * One fold serves the reader (a finished recording) and the digester (a
 * recording in progress).  Memory is bounded by live blocks plus stacks, not
 * by events.  In sample mode every number is an unbiased estimate: each
 * ALLOC counts 1/p (record.h), and the variance of a sum of such estimates is
 * the sum of (1 - p) / p^2 times the squared value (Horvitz-Thompson).
 */
#ifndef STRANDLINE_TRACE_FOLD_H
#define STRANDLINE_TRACE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fold_sum {
	double bytes;
	double bytes_variance;
	double count;
	double count_variance;
};

/* Windows double in width when there are more than this. */
#define FOLD_WINDOWS 240

struct fold_stack {
	uint32_t node; /* id in this process's calling-context tree */
	uint64_t samples;
	struct fold_sum live, allocated, peak, temporary;
	double mapped;	   /* bytes mmap'ed here and not unmapped */
	double heap_grown; /* net brk growth asked for here */
};

struct fold_window { /* totals; window w covers [w, w + 1) * window_ns */
	struct fold_sum live; /* at its end */
	struct fold_sum allocated, released;
	double mapped;
	double heap_end; /* net brk growth since the beginning */
};

struct fold_thread {
	int32_t tid;
	char name[16];
	uint64_t began_ns, ended_ns; /* monotonic; ended 0: alive */
	struct fold_sum allocated;
};

struct fold_result { /* owned by the fold, valid until it changes */
	const struct fold_stack *stacks; /* sorted by node */
	size_t stack_count;
	const struct fold_window *windows;
	size_t window_count;
	uint64_t window_ns;
	uint64_t first_ns; /* monotonic ns of window 0's start */
	uint64_t last_ns;
	const struct fold_thread *threads;
	size_t thread_count;
	struct fold_sum live, allocated, released, peak, temporary;
	/* Releases of blocks never seen born: from before the recording,
	 * or (sample mode) impossible. */
	uint64_t inherited_releases;
	uint64_t peak_ns;
	uint64_t records, allocations, releases;
	double mean_bytes;   /* last MEAN seen; 0 exact */
	uint64_t torn_slabs; /* slabs with bytes that could not be read */
};

struct fold;
struct slab_file;

/* One decoded event.  @ticks are raw; fields a type lacks are 0. */
struct fold_event {
	uint8_t type; /* enum record_type */
	uint8_t api;  /* enum record_api */
	uint32_t node;
	int32_t tid;
	uint64_t size; /* ALLOC, MAP, UNMAP */
	uint64_t addr;
	uint64_t ticks;
	int64_t grown;	  /* BRK */
	double mean;	  /* ALLOC: sampling mean, 0 exact */
	const char *name; /* NAME: 16 bytes */
};

/* @header must stay valid.  NULL when out of memory. */
struct fold *fold_new(const struct slab_file *header);
void fold_free(struct fold *f);
/* Events in time order.  0, or -ENOMEM. */
int fold_apply(struct fold *f, const struct fold_event *e);
/* Close the last window and settle the peak; call once, at the end. */
int fold_finish(struct fold *f);
const struct fold_result *fold_result(const struct fold *f);

#endif
