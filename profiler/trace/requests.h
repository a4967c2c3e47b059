/*
 * requests: the fold's account of answered requests, by route.
 *
 * Counts are exact; times go into histograms at once, so an hour of requests
 * takes no more room than a second of them.  A route's windows are the
 * fold's, and are merged with them.
 */
#ifndef STRANDLINE_TRACE_REQUESTS_H
#define STRANDLINE_TRACE_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/vec.h"
#include "profiler/latency/course.h"
#include "profiler/latency/load.h"
#include "profiler/trace/fold.h"

struct buf;
struct histo;

/* Ids past this are damage: charged to route 0, an unknown one. */
#define REQUESTS_ROUTE_MAX 4095u

/* So many points of what a route's requests hold are kept at most. */
#define REQUESTS_HELD 64u

enum requests_time {
	REQUESTS_TOOK,
	REQUESTS_TTFB,
	REQUESTS_QUEUE,
	REQUESTS_GAP,
	REQUESTS_NTIMES,
};

struct slow_ticks { /* one of the slowest of its route; in ticks */
	uint64_t ended;
	float took, ttfb, queue, gap;
	uint64_t status; /* 0: there is none */
};

struct request_counts { /* stored as it is: no pointer, no padding */
	uint64_t count, errors, cut, streamed, alone;
	uint64_t status[6];
	/* Of those with their thread for themselves, recorded exactly: the
	 * most that it held of what it had allocated meanwhile. */
	double peak_sum, peak_most;
	uint64_t peak_count;
	uint64_t windows[FOLD_WINDOWS];
	/* Of those of each window that were timed to their end. */
	struct fold_timed timed[FOLD_WINDOWS];
	double live; /* bytes, of stacks of the route */
	uint64_t held_count, held_step;
	struct fold_held held[REQUESTS_HELD];	 /* each held_step-th request */
	struct slow_ticks slowest[FOLD_SLOWEST]; /* slowest first */
};

struct route {
	struct request_counts counts;
	struct histo *times[REQUESTS_NTIMES]; /* NULL until there is one */
	struct course course; /* of took; of windows, FOLD_COURSE are one */
};

struct requests {
	VEC(struct route) at; /* by route id; those unseen are zeros */
	struct load load;     /* of all routes; in ticks */
};

void requests_fini(struct requests *r);
/* The route of @id, made at first sight; NULL when out of memory. */
struct route *requests_route(struct requests *r, uint32_t id);
/*
 * One request, ended in window @window.  Its times are in ticks, of which a
 * nanosecond has @slope.  False when out of memory.
 */
bool requests_add(struct requests *r, const struct fold_event *e,
		  uint32_t window, double slope);
/* The latest of route @id held @bytes at most. */
void requests_peak(struct requests *r, uint32_t id, double bytes);
/* @bytes more live that were allocated for route @id; false: out of memory. */
bool requests_hold(struct requests *r, uint32_t id, double bytes);
/* Answered with 5xx, or cut off. */
bool requests_is_error(const struct fold_event *e);
/* Could @c, read from a file, have been counted? */
bool requests_sound(const struct request_counts *c);
/* Two windows become one. */
void requests_widen(struct requests *r);

#endif
