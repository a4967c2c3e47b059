/*
 * series: points of a level, made few, and robust figures of them.
 *
 * A long series is cut into blocks of equal length of which the least level
 * stands for each: what a batch or a collector frees within a block does not
 * count, and everything that follows is over 120 points at most.
 *
 * Pure numbers; no allocation.
 */
#ifndef STRANDLINE_ANALYSIS_SERIES_H
#define STRANDLINE_ANALYSIS_SERIES_H

#include <stddef.h>

#define SERIES_MAX 120 /* as many give a slope as sure as 600 do */

struct series {
	size_t count;
	double x[SERIES_MAX], y[SERIES_MAX];
	size_t at[SERIES_MAX]; /* where the point stood in what it came from */
};

/* At most @blocks (<= SERIES_MAX) minima of @count points; returns how many
 * points a block has. */
size_t series_minima(struct series *out, size_t blocks, size_t count,
		     const double *x, const double *y);

/* @count points of it from @first on; @out may be @s. */
void series_part(struct series *out, const struct series *s, size_t first,
		 size_t count);

/* Lonely spikes, up or down, become the median of the points around. */
void series_without_spikes(struct series *s);

/* The median of @count values, which are put out of order; 0 of none. */
double series_median(double *values, size_t count);

/* The value that a share @q (0..1) of them is below; puts them out of order. */
double series_quantile(double *values, size_t count, double q);

/* Theil-Sen: the median slope of all pairs of points. */
double series_slope(const struct series *s);

/* y - @slope x, around 0. */
void series_residuals(const struct series *s, double slope, double *out);

/*
 * Mann-Kendall: the chance of a rise like this in a series without a trend,
 * Hamed and Rao's correction for autocorrelation in it.
 */
double series_mann_kendall(const struct series *s, double slope);

#endif
