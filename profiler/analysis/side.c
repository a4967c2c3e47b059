/*
 * side: see side.h.
 */
#include "profiler/analysis/side.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define MAD_OF_NORMAL 1.4826

int side_add(struct side *s, double value, double variance)
{
	size_t capacity = s->capacity ? s->capacity * 2 : 1;
	double *values, *variances;

	if (s->count == s->capacity) {
		values = realloc(s->values, capacity * sizeof(*values));
		if (values)
			s->values = values;
		variances =
			realloc(s->variances, capacity * sizeof(*variances));
		if (variances)
			s->variances = variances;
		if (!values || !variances)
			return -ENOMEM;
		s->capacity = capacity;
	}
	s->values[s->count] = value;
	s->variances[s->count++] = variance;
	return 0;
}

void side_free(struct side *s)
{
	free(s->values);
	free(s->variances);
	*s = (struct side) { 0 };
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* At most as many runs as a store is asked for; more are not looked at. */
#define RUNS_MAX 64

static double median(const double *values, size_t count, double from)
{
	double sorted[RUNS_MAX];

	if (count == 0)
		return NAN;
	if (count > RUNS_MAX)
		count = RUNS_MAX;
	for (size_t i = 0; i < count; i++)
		sorted[i] = isnan(from) ? values[i] : fabs(values[i] - from);
	qsort(sorted, count, sizeof(*sorted), by_value);
	return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

/*
 * The median absolute deviation of few normal values is too small by these
 * factors (Croux and Rousseeuw, "Time-efficient algorithms for two highly
 * robust estimators of scale", 1992).
 */
static double small_sample(size_t n)
{
	static const double factors[] = { 1,	 1,	1.196, 1.495, 1.363,
					  1.206, 1.200, 1.140, 1.129, 1.107 };

	return n < sizeof(factors) / sizeof(factors[0])
		       ? factors[n]
		       : (double)n / ((double)n - 0.8);
}

/* The variance of one run, by how the runs differ; NAN for fewer than two. */
static double spread(const struct side *s)
{
	double sd;

	if (s->count < 2)
		return NAN;
	sd = MAD_OF_NORMAL * small_sample(s->count) *
	     median(s->values, s->count, median(s->values, s->count, NAN));
	return sd * sd;
}

/* Variance of the median of @n, over that of one. */
static double of_median(size_t n)
{
	static const double exact[] = { 1, 1, 0.5, 0.449, 0.298, 0.287 };

	return n < sizeof(exact) / sizeof(exact[0]) ? exact[n]
						    : M_PI / 2 / (double)n;
}

void side_summarise(struct side_summary *out, const struct side *s,
		    const struct side *other, double noise)
{
	double own = median(s->variances, s->count, NAN);
	double centre = median(s->values, s->count, NAN);
	double runs = spread(s);

	if (isnan(runs))
		runs = spread(other);
	*out = (struct side_summary) {
		.runs = s->count,
		.centre = centre,
		.variance = of_median(s->count) *
			    (isnan(runs) ? own + noise * noise * centre * centre
					 : fmax(own, runs)),
	};
}

struct figure side_figure(const struct side_summary *s, double half)
{
	double error = half * sqrt(s->variance);

	return (struct figure) { s->centre, s->centre - error,
				 s->centre + error };
}
