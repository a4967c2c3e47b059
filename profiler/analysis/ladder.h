/*
 * ladder: does a level rise in jumps, each as much higher and as much later
 * than the one before it in proportion?  A table or a buffer that is doubled
 * does, for as long as it is put into; one that is full misses its next jump.
 *
 * Pure numbers; no allocation.
 */
#ifndef STRANDLINE_ANALYSIS_LADDER_H
#define STRANDLINE_ANALYSIS_LADDER_H

#include <stdbool.h>

#include "profiler/analysis/points.h"

struct ladder {
	unsigned jumps; /* that make up the rise; 0: it does not rise in such */
	double last;	/* x of the last one, 0..1 */
	bool goes_on;	/* in proportion, and the next one is not overdue */
	double ratio;	/* from step to step */
};

/* @x0: what the caller's x was at the first point, in units of x_scale. */
struct ladder ladder_of(const struct points *p, const double *y, double x0);

#endif
