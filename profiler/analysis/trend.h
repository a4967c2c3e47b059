/*
 * trend: does a series of levels grow, by how much, and is there a bound?
 *
 * The level of something (live bytes of a site, RSS, threads) against what
 * drives it (completed requests, or seconds).  The answer is one class, the
 * figures that it rests on, and where they do not bear one, how much more is
 * needed.  Every choice (warm-up, sawtooth period, noise) comes from the data:
 * no fixed times.
 *
 *	1. points of equal x become one; what moves with the load is taken off
 *	2. lower envelope over the series' own period (series.h)
 *	3. warm-up cut at a change point
 *	4. Theil-Sen slope, its interval wide enough for the autocorrelation of
 *	   what is left, up to that of a random walk, and for the sampling
 *	5. Mann-Kendall with Hamed and Rao's correction, as a gate
 *	6. late slope over early slope, jumps, plateau: bounded or not
 *
 * Pure: numbers in, numbers out.  Scratch is malloc'ed and freed within.
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
	/* Growth per x that would not matter, and a rise over the whole
	 * series that would not.  0: any matters. */
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
	SHAPE_STAIRCASE, /* in jumps, each larger than the last */
	SHAPE_SAWTOOTH,	 /* up and down, level underneath */
};

struct trend {
	enum trend_class class;
	enum finding_shape shape;
	double confidence;	   /* 0..1, in the class */
	struct figure slope;	   /* y per x, after the warm-up */
	struct figure per_second;  /* y per second, after the warm-up */
	struct figure early, late; /* slopes of the two halves after it */
	struct figure late_early;  /* late / early */
	double p_value;		   /* of no trend */
	double rise;  /* of the level after the warm-up, slope times x */
	double noise; /* standard deviation around the slope */
	double autocorrelation; /* of what is left, between neighbours; 0..1 */
	size_t cut;		/* index of the first point after the warm-up */
	size_t period;		/* points the envelope reaches back; 1: none */
	unsigned jumps;		/* that a staircase has */
	double x, seconds;	/* covered after the warm-up */
	/* TREND_UNDECIDED: x and seconds that are missing; else NAN. */
	double more, more_seconds;
};

/* 0, -EINVAL (x decreases, or a figure is not finite) or -ENOMEM.  Fewer
 * than 8 distinct x are undecided. */
int trend_of(struct trend *out, const struct trend_series *in);

const char *trend_class_name(enum trend_class class);

#endif
