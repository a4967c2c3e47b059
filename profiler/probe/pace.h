/*
 * pace: how dense samples should be, and how much watching may cost.  Pure
 * arithmetic.
 */
#ifndef STRANDLINE_PROBE_PACE_H
#define STRANDLINE_PROBE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	double wanted; /* samples a second */
	uint64_t least, most;
};

/*
 * The mean distance between samples after @samples came in @ns with @mean: at
 * most a factor of two away.
 */
uint64_t pace_mean(const struct pace *pace, uint64_t mean, uint64_t samples,
		   uint64_t ns);

/* What may be spent: a share of the time, and some at once. */
struct budget {
	double share;	   /* of one CPU, 1: all of it */
	double at_once_ns; /* above it */
	double over_ns;	   /* how far it is above it now */
};

/* @spent_ns of CPU time went within the last @ns; false: it is too much. */
bool budget_spend(struct budget *budget, double spent_ns, double ns);

#endif
