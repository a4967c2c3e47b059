/*
 * fit: shapes fitted to a series whose noise is autocorrelated.
 *
 * Every shape is a straight line and something that is over sooner or later:
 * a jump, a bend, a logarithm, an exponential.  What a leak does is the slope
 * of the line where that is over.  All are fitted by least squares after the
 * autocorrelation phi is taken out (y[i] - phi y[i-1]); where the noise is a
 * random walk, phi is 1 and the differences are fitted.  Schwarz's criterion
 * compares them.
 *
 * Pure numbers; no allocation.
 */
#ifndef STRANDLINE_ANALYSIS_FIT_H
#define STRANDLINE_ANALYSIS_FIT_H

#include <stddef.h>

#include "profiler/analysis/series.h"

enum fit_shape {
	FIT_LINE,
	FIT_STEP,  /* a jump, the same slope before and after */
	FIT_BEND,  /* another slope before, no jump */
	FIT_BREAK, /* another slope before, and a jump */
	FIT_LOG,   /* + log(1 + x / where) */
	FIT_ROOT,  /* + sqrt(x) */
	FIT_DECAY, /* + 1 - exp(-x / where) */
};

struct fit {
	enum fit_shape shape;
	double where;	  /* in x */
	size_t index;	  /* of the first point after the jump or bend */
	double score;	  /* less is better */
	double slope;	  /* of the line in the end */
	double error;	  /* its standard error */
	double extra;	  /* > 0: the shape rises before it is over */
	double deviation; /* of the innovations */
	double memory;	  /* their autocorrelation: what did not fit */
};

#define FIT_LIMIT 128

struct fits {
	size_t count, best;
	struct fit at[FIT_LIMIT]; /* [0] is the line */
};

/* x of @s is 0..1.  @floor: the least deviation that noise can have. */
void fit_shapes(struct fits *out, const struct series *s, double phi,
		double floor);

/* What is left of @s around one line, or around two where that is better;
 * returns which. */
double fit_lines(const struct series *s, double *residuals);

/* How noise remembers. */
struct memory {
	double phi, error; /* autocorrelation of neighbours */
	/* How much likelier than a random walk that is, twice the logarithm:
	 * Dickey and Fuller's test. */
	double walk;
};

/* Of @r, which @lines left; phi's bias is corrected, 0..1. */
struct memory fit_memory(const double *r, size_t count, double lines);

/* The standard error of a line's slope under noise of autocorrelation @phi
 * and the look of @residuals. */
double fit_slope_error(const struct series *s, const double *residuals,
		       double phi, double floor);

#endif
