/*
 * axis: the part of a recording that says something about growth, and what
 * growth is measured against: completed requests where enough were seen, else
 * seconds.
 *
 * A level of window w is taken where the window began (model_level.low and
 * .old are what was there all through it), so x and t are those of its start.
 * What comes before the first request is the server's start; what comes after
 * the last one, and the window that it is in, is its idleness or its end.
 */
#ifndef STRANDLINE_ANALYSIS_AXIS_H
#define STRANDLINE_ANALYSIS_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;

struct axis {
	uint32_t first, count;	 /* windows of the model */
	bool by_requests;	 /* x is requests; else seconds */
	double *x, *t;		 /* at the start of each window */
	double x_total, seconds; /* covered */
};

int axis_init(struct axis *a, const struct model *m); /* 0 or -ENOMEM */
void axis_fini(struct axis *a);

#endif
