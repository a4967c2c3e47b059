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
#include <sys/types.h>

#include "profiler/latency/load.h"

struct fold_sum {
	double bytes;
	double bytes_variance;
	double count;
	double count_variance;
};

/* Windows begin this wide, and double when there are more than this many. */
#define FOLD_WINDOW_NS 250000000ULL
#define FOLD_WINDOWS   240

/*
 * Node ids past this, or past the slabs of nodes that there are, are damage:
 * charged to node 0, an unknown stack.
 */
#define FOLD_NODE_MAX (4u << 20)

/*
 * What one stack held over one window.  Only windows in which the stack
 * allocated or released have one; fold_levels() fills the gaps.
 */
struct fold_level {
	uint32_t window;
	uint32_t pad;
	double end;	  /* live bytes when the window ended */
	double low;	  /* the least that was live within the window */
	double old;	  /* of `end`, bytes of blocks at least one window old;
			   * after windows were merged an upper bound of that */
	double count;	  /* live blocks when the window ended */
	double allocated; /* bytes, within the window */
	double mapped;	  /* bytes mmap'ed when the window ended */
	double descriptors; /* open when the window ended */
};

/* Of one stack and route, what one thread made. */
struct fold_maker {
	uint32_t node, route;
	uint32_t thread; /* index in threads[] */
	uint32_t pad;
	double live_bytes, live_count;
	double allocated_bytes, allocated_count; /* or mapped */
};

/* Of one stack, what was allocated for the requests of one route. */
struct fold_stack {
	uint32_t node;	 /* id in this process's calling-context tree */
	uint32_t route;	 /* 0: for no request, or an unknown one */
	bool by_handler; /* the route is told by a function on the stack */
	uint64_t samples;
	/* temporary: freed by the thread that made it, before its next
	 * allocation.  Cannot be seen in sample mode, and is 0 there. */
	struct fold_sum live, allocated, peak, temporary;
	double mapped;	    /* bytes mmap'ed here and not unmapped */
	double heap_grown;  /* net brk growth asked for here */
	double descriptors; /* opened here and not closed */
	const struct fold_level *levels; /* by window */
	size_t level_count;
	const struct fold_maker *makers; /* by thread; may miss some of it */
	size_t maker_count;
};

struct fold_window { /* totals; window w covers [w, w + 1) * window_ns */
	struct fold_sum live; /* at its end */
	struct fold_sum allocated, released;
	double mapped;
	double heap_end;	   /* net brk growth since the beginning */
	uint64_t requests, errors; /* answered within it; errors 5xx or cut */
};

struct course;
struct histo;

struct fold_timed { /* answers that ended within one window */
	uint64_t count, sum_ns, most_ns;
};

/* What lived of all that the requests of a route had allocated, as each of
 * some of them was answered. */
struct fold_held {
	uint64_t answered; /* of the route, this one counted */
	double bytes;
};

/* Of the slowest requests of a route so many are kept. */
#define FOLD_SLOWEST 4

struct fold_slow {	/* ns, as the histograms */
	uint64_t at_ns; /* it arrived, by the monotonic clock */
	uint64_t took, ttfb, queue, gap;
	unsigned status; /* 0: there is none */
};

/* How many windows of the fold make one of a course. */
#define FOLD_COURSE 4u

struct fold_route {
	uint32_t route; /* id in this process; 0: not known */
	uint64_t count;
	uint64_t errors;    /* answered 5xx, or cut off */
	uint64_t cut;	    /* before the answer's end */
	uint64_t streamed;  /* answered in chunks */
	uint64_t alone;	    /* no other request got in between */
	uint64_t status[6]; /* by class; 0: no answer */
	/* Bytes that a request held at most, of so many of them. */
	uint64_t peak_count;
	double peak_sum, peak_most;
	const struct histo *took;  /* ns, arrival to last byte; NULL: none */
	const struct histo *ttfb;  /* to the first byte */
	const struct histo *queue; /* until the server read it */
	const struct histo *gap;   /* longest pause of each streamed answer */
	const uint64_t *windows;   /* how many ended in each */
	const struct fold_timed *timed; /* likewise */
	const struct fold_held *held;	/* at equal distances */
	size_t held_count;
	struct fold_slow slowest[FOLD_SLOWEST]; /* slowest first */
	const struct course *course;		/* of took, see FOLD_COURSE */
};

/* Spans of one name.  Of those within others, the outer ones count it, too. */
struct fold_span {
	uint32_t name; /* a route's id, from SPAN_NAME_FIRST */
	uint64_t count;
	double busy_ns; /* that a thread was at them, or at what they call */
	struct fold_sum allocated;
	const struct histo *took; /* ns, beginning to end */
};

struct fold_thread {
	int32_t tid;
	char name[16];
	uint64_t began_ns, ended_ns; /* monotonic; ended 0: alive */
	struct fold_sum allocated;
};

struct fold_load { /* see latency/load.h */
	enum load_kind kind;
	double clients, cycle_ns, judged;
};

struct fold_result { /* owned by the fold, valid until it changes */
	const struct fold_stack *stacks; /* sorted by node, then route */
	size_t stack_count;
	const struct fold_window *windows;
	size_t window_count;
	uint64_t window_ns;
	uint64_t first_ns; /* monotonic ns of window 0's start */
	uint64_t last_ns;
	const struct fold_thread *threads; /* in order of first sight */
	size_t thread_count;
	const struct fold_route *routes; /* by id; those with requests */
	size_t route_count;
	struct fold_load load;
	const struct fold_span *spans; /* by name */
	size_t span_count;
	uint64_t spans_forgotten; /* too many were open */
	/* Ended threads that are no longer listed, and what they made. */
	uint64_t threads_forgotten;
	struct fold_sum forgotten_allocated;
	struct fold_sum live, allocated, released, peak, temporary;
	/* Releases of blocks never seen born: from before the recording,
	 * or (sample mode) impossible. */
	uint64_t inherited_releases;
	uint64_t peak_ns;
	uint64_t records, allocations, releases;
	double mean_bytes;   /* last MEAN seen; 0 exact */
	uint64_t torn_slabs; /* slabs with bytes that could not be read */
};

/*
 * One decoded record.  What a type lacks is 0; @ticks are raw.  Two of a
 * kind stand in fields of another name: the growth of BRK and DESCRIPTOR is a
 * signed @size, and
 * MEAN's bytes a @size, THREAD's tid a @node; NAME's 16 bytes are @addr and
 * @size.  The route of REQUEST and CONTEXT is a @node, REQUEST's flags are
 * @api.  SPAN's number is an @addr, its name a @node, its step @api.
 */
struct fold_times { /* in ticks; floats are finer than the histograms */
	float took, ttfb, queue, gap;
};

struct fold_event {
	union {
		struct {
			uint64_t addr, size;
		};
		struct fold_times times; /* REQUEST */
	};
	uint64_t ticks;
	uint32_t node;
	uint8_t type; /* enum record_type */
	uint8_t api;  /* enum record_api */
	uint16_t status;
};
_Static_assert(sizeof(struct fold_event) == 32, "two a cache line");

/* Who writes a slab at one point of it: THREAD and MEAN change it. */
struct fold_lane {
	uint64_t mean; /* of the ALLOCs to come; 0 exact */
	int32_t tid;
	uint32_t thread; /* the fold's own */
};

struct fold;
struct slab_file;

/* NULL when out of memory. */
struct fold *fold_new(const struct slab_file *header, uint64_t window_ns);
void fold_free(struct fold *f);
/* The lane of a slab, at a point where @tid writes under @mean. */
struct fold_lane fold_lane(const struct fold *f, int32_t tid, uint64_t mean);
/*
 * Apply events of one lane up to the first that is later than @until.  The
 * caller interleaves lanes in time order.  How many were applied, or -ENOMEM.
 */
ssize_t fold_run(struct fold *f, struct fold_lane *lane,
		 const struct fold_event *at, size_t count, uint64_t until);
/*
 * Close the last window, settle the peak, turn ticks into time by @header's
 * clock; once, at the end.  0 or -ENOMEM.
 */
int fold_finish(struct fold *f, const struct slab_file *header);
const struct fold_result *fold_result(const struct fold *f);
/* A level for each of @r's windows, into @out[r->window_count]. */
void fold_levels(const struct fold_result *r, const struct fold_stack *s,
		 struct fold_level *out);

#endif
