/*
 * look: what a stretch of a series shows, behind its warm-up.
 *
 * The slope and its error under the noise that the stretch has, and whether
 * the shapes of fit.h leave room for another end than "it goes on".
 *
 * Pure numbers; no allocation.
 */
#ifndef STRANDLINE_ANALYSIS_LOOK_H
#define STRANDLINE_ANALYSIS_LOOK_H

#include <stdbool.h>

#include "profiler/analysis/series.h"

#define POINTS_MIN 8 /* fewer say nothing */

enum look_end {
	END_OPEN,    /* as far as can be seen, the line goes on */
	END_BOUNDED, /* it slows down, or has ended */
	END_UNCLEAR,
};

struct look {
	struct series s; /* after the warm-up */
	double slope;
	double error;	   /* as likely */
	double gate_error; /* as large as it may be */
	double p;	   /* of no rise, by the slope */
	double p_kendall;  /* and by Mann and Kendall */
	double early, early_error, late, late_error; /* slopes of the halves */
	double doubt; /* of a late slope that was sampled */
	double noise, autocorrelation;
	double walk; /* see struct memory; of the warm-up too */
	enum look_end end;
};

/* @variance of y at the points of @s, from sampling; NULL: none. */
void look_at(struct look *l, const struct series *s, const double *variance);

#endif
