/*
 * estimate: how sure is a figure that was sampled?
 *
 * A sampled figure is a Horvitz-Thompson sum: each sample counts 1/p of its
 * value, the variance is the sum of (1 - p) / p^2 times the squared value.
 * Value +- 1.96 standard errors covers far less than 95 % where few samples
 * stand behind a figure, and reaches below 0.  The intervals here take the
 * sum for a scaled Poisson count of the same mean and variance, which it is
 * where p is small, and become the normal ones as samples grow many.
 *
 * Pure numbers; no allocation, no state.
 */
#ifndef STRANDLINE_ANALYSIS_ESTIMATE_H
#define STRANDLINE_ANALYSIS_ESTIMATE_H

/* A figure and its 95 % interval; NAN where it could not be had. */
struct figure {
	double value, low, high;
};

/*
 * The interval of a Horvitz-Thompson sum that is not negative.  @variance 0
 * is an exact figure; where nothing was sampled that says nothing, and only
 * what a sample would have weighed could.
 */
struct figure estimate_interval(double value, double variance);

/*
 * Of the difference of two such sums of one growing set, @to taken after
 * @from: what was born between and still lives.  May be negative.
 */
struct figure estimate_growth(double from, double from_variance, double to,
			      double to_variance);

/* @f of @count things, each: per request, per second.  @count 0 gives NAN. */
struct figure estimate_per(struct figure f, double count);

/* @over / @under of independent figures: Fieller's interval, for limits that
 * need not be symmetric; low and high infinite where @under may be 0. */
struct figure estimate_ratio(struct figure over, struct figure under);

/* How many samples of equal weight would be as sure: value^2 / variance;
 * INFINITY for an exact figure. */
double estimate_samples(double value, double variance);

/* Quantiles and tails of the usual distributions. */
double estimate_normal_tail(double z);			/* P(Z > z) */
double estimate_normal_quantile(double p);		/* 0 < p < 1 */
double estimate_t_quantile(double p, double df);	/* df > 0 */
double estimate_gamma_quantile(double p, double shape); /* scale 1 */

#endif
