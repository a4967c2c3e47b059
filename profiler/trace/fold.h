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

/*
 * A stack's live bytes window by window, for the verdict: `end` at the end of
 * the window, `low` the lowest level within it (the lower envelope), `old`
 * at its end counting only blocks at least one window old.  Windows double in
 * width when there are more than FOLD_WINDOWS, so the arrays stay short.
 */
#define FOLD_WINDOWS 240

struct fold_level {
	float end, low, old;
	float end_count;
	float allocated; /* bytes allocated in the window */
};

struct fold_stack {
	uint32_t node; /* id in this process's calling-context tree */
	uint64_t samples;
	struct fold_sum live, allocated, peak, temporary;
	double mapped; /* bytes mmap'ed here and not unmapped */
	/* NULL, or one per window for stacks that ever held >= 4 KiB */
	struct fold_level *levels;
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

struct fold_block { /* a live block, for reachability and type lookups */
	uint64_t addr, size, born_ns;
	uint32_t node;
	float weight; /* 1/p */
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

#endif
