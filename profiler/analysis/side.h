/*
 * side: one figure over the runs of one side of a diff, and how far it can be
 * trusted.
 */
#ifndef STRANDLINE_ANALYSIS_SIDE_H
#define STRANDLINE_ANALYSIS_SIDE_H

#include <stddef.h>

#include "profiler/analysis/estimate.h"

struct side {
	double *values, *variances; /* each run's, and its own error */
	size_t count, capacity;
};

int side_add(struct side *s, double value, double variance); /* or -ENOMEM */
void side_free(struct side *s);

struct side_summary {
	size_t runs;
	double centre;	 /* the median; NAN without runs */
	double variance; /* of the centre */
};

/*
 * Runs of one side differ by what they are, not by what they say of
 * themselves: from two runs on their spread counts where it is the larger.  A
 * side of one run has the spread of the @other, where that has one; else
 * runs are taken to differ by the share @noise of the figure.
 */
void side_summarise(struct side_summary *out, const struct side *s,
		    const struct side *other, double noise);

/* The centre, give or take @half of its standard errors. */
struct figure side_figure(const struct side_summary *s, double half);

#endif
