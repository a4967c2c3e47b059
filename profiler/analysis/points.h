/*
 * points: a caller's series made ready to be looked at.
 *
 * Each x once, x from 0 to 1, y from 0 as a share of its range, without what
 * the server frees as it exits.  What is in flight moves with the load; where
 * that changed, there is a second y without as much as it can explain.
 */
#ifndef STRANDLINE_ANALYSIS_POINTS_H
#define STRANDLINE_ANALYSIS_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/analysis/trend.h"

struct points {
	size_t count;
	double *x, *y;
	double *variance; /* of y, from sampling */
	double *load;	  /* x per second around here, 1 on average */
	size_t *at;	  /* index in the caller's series */
	double x_scale, y_scale, y_base;
	double range; /* of the caller's y; y_scale where it is not 0 */
	bool exact;
	double load_spread; /* between its deciles; 0: not enough to matter */
};

/* 0, -EINVAL or -ENOMEM; points_free() when 0. */
int points_of(struct points *p, const struct trend_series *in);
void points_free(struct points *p);

/*
 * What is held in proportion to the load, as y for a load of 1: the likeliest
 * share and the most it can be.
 */
void points_load_shares(const struct points *p, double *likely, double *most);

#endif
