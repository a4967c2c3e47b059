/*
 * points: see points.h.
 */
#include "profiler/analysis/points.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/series.h"

#define HUGE_FIGURE 1e150 /* so that squares and ratios stay finite */
#define EXIT_POINTS 2	  /* at most, that an exit takes */
#define LOAD_MOVES  1.1	  /* its 9th decile over its first */

void points_free(struct points *p)
{
	free(p->x);
	free(p->at);
}

static bool is_usable(const struct trend_series *in)
{
	for (size_t i = 0; i < in->count; i++) {
		if (!(fabs(in->x[i]) < HUGE_FIGURE) ||
		    !(fabs(in->y[i]) < HUGE_FIGURE) ||
		    (in->t && !(fabs(in->t[i]) < HUGE_FIGURE)) ||
		    (in->variance &&
		     !(in->variance[i] >= 0 && in->variance[i] < INFINITY)))
			return false;
		if (i > 0 && (in->x[i] < in->x[i - 1] ||
			      (in->t && in->t[i] < in->t[i - 1])))
			return false;
	}
	return true;
}

/*
 * Points of equal x become one.  Before the first request that is the last,
 * when the server has started; later the first: what happens without requests
 * is not theirs, and at the end it is the exit.
 */
static void keep_distinct(struct points *p, const struct trend_series *in)
{
	for (size_t i = 0; i < in->count; i++) {
		bool again =
			p->count > 0 && in->x[i] == in->x[p->at[p->count - 1]];

		if (again && p->count == 1)
			p->at[0] = i;
		else if (!again)
			p->at[p->count++] = i;
	}
}

static void range(const struct points *p, const double *y, double *low,
		  double *high)
{
	*low = INFINITY;
	*high = -INFINITY;
	for (size_t i = 0; i < p->count; i++) {
		*low = fmin(*low, y[p->at[i]]);
		*high = fmax(*high, y[p->at[i]]);
	}
}

/* A fall by half at the very end is a server that cleans up as it exits. */
static void drop_exit(struct points *p, const double *y)
{
	for (int i = 0; i < EXIT_POINTS && p->count > 2; i++) {
		double low, high;

		range(p, y, &low, &high);
		if (high == low ||
		    y[p->at[p->count - 2]] - y[p->at[p->count - 1]] <
			    (high - low) / 2)
			return;
		p->count--;
	}
}

static void scale(struct points *p, const struct trend_series *in)
{
	double low, high, first = in->x[p->at[0]];

	range(p, in->y, &low, &high);
	p->x_scale = in->x[p->at[p->count - 1]] - first;
	p->range = high - low;
	p->y_scale = p->range > 0 ? p->range : 1;
	p->y_base = low;
	for (size_t i = 0; i < p->count; i++) {
		size_t at = p->at[i];

		p->x[i] = (in->x[at] - first) / p->x_scale;
		p->y[i] = (in->y[at] - low) / p->y_scale;
		p->variance[i] = in->variance ? in->variance[at] / p->y_scale /
							p->y_scale
					      : 0;
	}
}

static double middle_of_three(double a, double b, double c)
{
	return fmax(fmin(a, b), fmin(fmax(a, b), c));
}

/* Requests a second, over the mean, as medians of three windows. */
static void measure_load(struct points *p, const double *t)
{
	double span = t[p->at[p->count - 1]] - t[p->at[0]];
	double *rate = p->load, before, low, high, *sorted = p->load + p->count;

	for (size_t i = 1; i < p->count; i++) {
		double seconds = t[p->at[i]] - t[p->at[i - 1]];

		if (!(seconds > 0))
			return;
		rate[i] = (p->x[i] - p->x[i - 1]) / seconds * span;
	}
	before = rate[0] = rate[1];
	for (size_t i = 1; i + 1 < p->count; i++) {
		double own = rate[i];

		rate[i] = middle_of_three(before, own, rate[i + 1]);
		before = own;
	}
	memcpy(sorted, rate, p->count * sizeof(*sorted));
	low = series_quantile(sorted, p->count, 0.1);
	high = series_quantile(sorted, p->count, 0.9);
	p->load_spread = high > LOAD_MOVES * low ? high - low : 0;
}

int points_of(struct points *p, const struct trend_series *in)
{
	*p = (struct points) { .exact = !in->variance };
	if (!is_usable(in))
		return -EINVAL;
	p->x = calloc(5 * in->count + 1, sizeof(*p->x));
	p->at = calloc(in->count + 1, sizeof(*p->at));
	if (!p->x || !p->at) {
		points_free(p);
		return -ENOMEM;
	}
	p->y = p->x + in->count;
	p->variance = p->y + in->count;
	p->load = p->variance + in->count;
	keep_distinct(p, in);
	drop_exit(p, in->y);
	if (p->count < 2)
		return 0;
	scale(p, in);
	if (in->t && p->count > 2)
		measure_load(p, in->t);
	return 0;
}

/* Sums of products around the means. */
static double covariance(const double *a, const double *b, size_t count)
{
	double mean_a = 0, mean_b = 0, sum = 0;

	for (size_t i = 0; i < count; i++) {
		mean_a += a[i] / (double)count;
		mean_b += b[i] / (double)count;
	}
	for (size_t i = 0; i < count; i++)
		sum += (a[i] - mean_a) * (b[i] - mean_b);
	return sum;
}

void points_load_shares(const struct points *p, double *likely, double *most)
{
	size_t n = p->count;
	double xx = covariance(p->x, p->x, n), xy = covariance(p->x, p->y, n);
	double ll = covariance(p->load, p->load, n);
	double xl = covariance(p->x, p->load, n);
	double ly = covariance(p->load, p->y, n);
	double *levels = p->load + n;

	/* All of the level where it is least for its load. */
	for (size_t i = 0; i < n; i++)
		levels[i] = (p->y[i] + p->y_base / p->y_scale) /
			    fmax(p->load[i], 0.01);
	*most = fmax(series_quantile(levels, n, 0.05), 0);
	*likely = (ly * xx - xy * xl) / (ll * xx - xl * xl);
	*likely = isfinite(*likely) ? fmin(fmax(*likely, 0), *most) : *most;
}
