/*
 * trend: does a series of levels grow, by how much, and is there a bound?
 *
 * The level of something (live bytes of a site, RSS, threads) against what
 * drives it (completed requests, or seconds).  The answer is one class, the
 * figures that it rests on, and where they do not bear one, how much more is
 * needed.  Every choice (warm-up, sawtooth period, noise) comes from the data:
 * no fixed times.
 *
 *	1. points of equal x become one, what the exit frees is left out; where
 *	   the load changed, as much of the level as it can explain is taken off
 *	   (points.h)
 *	2. 120 points of it, and minima over ever longer blocks, which see below
 *	   a sawtooth (series.h)
 *	3. shapes that end or have ended are fitted, and a warm-up cut off where
 *	   the best of them says (fit.h, look.h)
 *	4. Theil-Sen slope of the rest; its error is that of the autocorrelation
 *	   seen, up to a random walk where that cannot be excluded, and no less
 *	   than sampling leaves
 *	5. Mann-Kendall with Hamed and Rao's correction, as a gate
 *	6. both halves must rise alike; jumps that stay in proportion are a
 *table that is still put into (ladder.h)
 *
 * What cannot be told: a cache that still has room when the series ends, and
 * fills in a straight line, from a leak; it grows.  A table whose last jump was
 * before 65 % of the series is taken for full, and so is one of fewer than five
 * jumps in proportion: it fills.  What rises for less than 40 % of the series,
 * at its end, is undecided.
 *
 * Pure: numbers in, numbers out.  Scratch is malloc'ed and freed within; about
 * 100 to 400 us a series, on 120 KiB of stack.
 */
#ifndef STRANDLINE_ANALYSIS_TREND_H
#define STRANDLINE_ANALYSIS_TREND_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/analysis/estimate.h"

struct trend_series {
	size_t count;
	const double *x; /* completed requests so far; never decreases */
	const double *y; /* the level there */
	const double *t; /* seconds; NULL: x is seconds */
	/* Of y, from sampling; NULL: y is exact. */
	const double *variance;
	/* Growth that would not matter: the slope that it surely has, and its
	 * likely rise over the series.  0: any matters. */
	double slope_min, rise_min;
	/* Chance of a false alarm; 0: 0.001.  Divide by the number of series
	 * that are looked at when that is large. */
	double alpha;
};

enum trend_class {
	TREND_LEVEL,	 /* does not grow, or less than matters */
	TREND_FILLS,	 /* grows ever slower, or has stopped to grow */
	TREND_GROWS,	 /* grows, and nothing says that it will stop */
	TREND_UNDECIDED, /* trend.more: how much more would decide */
};

/* What the level did. */
enum finding_shape {
	SHAPE_FLAT,
	SHAPE_LINEAR,	 /* grows as it did */
	SHAPE_CONCAVE,	 /* grows ever slower: fills up */
	SHAPE_PLATEAU,	 /* grew, and stands still */
	SHAPE_STAIRCASE, /* in jumps, in proportion to what was there */
	SHAPE_SAWTOOTH,	 /* up and down, level underneath */
};

struct trend {
	enum trend_class class;
	enum finding_shape shape;
	double confidence;	   /* 0..1, in the class */
	struct figure slope;	   /* y per x, after the warm-up; the interval
				    * holds the truth in 97 to 99 % */
	struct figure per_second;  /* y per second, after the warm-up */
	struct figure early, late; /* slopes of the two halves after it */
	struct figure late_early;  /* late / early */
	double p_value;		   /* of no trend */
	double rise;  /* of the level after the warm-up, slope times x */
	double noise; /* standard deviation around the slope */
	double autocorrelation; /* of what is left, between neighbours; 0..1 */
	size_t cut;		/* index of the first point after the warm-up */
	size_t period;		/* points of which the least stood for all */
	unsigned jumps;		/* that make up the rise; 0: none do */
	double x, seconds;	/* covered after the warm-up */
	/* TREND_UNDECIDED: x and seconds that are missing; else NAN. */
	double more, more_seconds;
};

/* 0, -EINVAL (x or t decreases, a figure is not finite or above 1e150) or
 * -ENOMEM.  Fewer than 8 distinct x are undecided. */
int trend_of(struct trend *out, const struct trend_series *in);

const char *trend_class_name(enum trend_class class);

#endif
