/*
 * series: see series.h.
 */
#include "profiler/analysis/series.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "profiler/analysis/estimate.h"

size_t series_minima(struct series *out, size_t blocks, size_t count,
		     const double *x, const double *y)
{
	size_t length = (count + blocks - 1) / blocks, first = count % length;

	/* A first block that is not whole is left out: of a whole one, which
	 * is lower, nothing is missing. */
	out->count = 0;
	for (size_t i = first; i + length <= count; i += length) {
		size_t low = i;

		for (size_t j = i + 1; j < i + length; j++)
			low = y[j] < y[low] ? j : low;
		out->x[out->count] = x[low];
		out->y[out->count] = y[low];
		out->at[out->count++] = low;
	}
	return length;
}

void series_part(struct series *out, const struct series *s, size_t first,
		 size_t count)
{
	out->count = count;
	memmove(out->x, s->x + first, count * sizeof(out->x[0]));
	memmove(out->y, s->y + first, count * sizeof(out->y[0]));
	memmove(out->at, s->at + first, count * sizeof(out->at[0]));
}

static void swap(double *a, double *b)
{
	double kept = *a;

	*a = *b;
	*b = kept;
}

/* Hoare's selection: afterwards values[k] is where sorting would put it. */
static double select_kth(double *values, size_t count, size_t k)
{
	size_t low = 0, high = count - 1;

	while (low < high) {
		double pivot = values[(low + high) / 2];
		size_t i = low, j = high;

		while (true) {
			while (values[i] < pivot)
				i++;
			while (values[j] > pivot)
				j--;
			if (i >= j)
				break;
			swap(&values[i++], &values[j--]);
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return values[k];
}

double series_median(double *values, size_t count)
{
	double upper, lower;

	if (count == 0)
		return 0;
	upper = select_kth(values, count, count / 2);
	if (count % 2)
		return upper;
	lower = values[0];
	for (size_t i = 1; i < count / 2; i++)
		lower = values[i] > lower ? values[i] : lower;
	return (lower + upper) / 2;
}

double series_quantile(double *values, size_t count, double q)
{
	return select_kth(values, count, (size_t)(q * (double)(count - 1)));
}

double series_slope(const struct series *s)
{
	double slopes[SERIES_MAX * (SERIES_MAX - 1) / 2];
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++) {
		for (size_t j = i + 1; j < s->count; j++) {
			/* Apart, but perhaps not once they were scaled. */
			if (s->x[j] > s->x[i])
				slopes[n++] = (s->y[j] - s->y[i]) /
					      (s->x[j] - s->x[i]);
		}
	}
	return series_median(slopes, n);
}

void series_residuals(const struct series *s, double slope, double *out)
{
	double kept[SERIES_MAX], middle;

	for (size_t i = 0; i < s->count; i++)
		kept[i] = out[i] = s->y[i] - slope * s->x[i];
	middle = series_median(kept, s->count);
	for (size_t i = 0; i < s->count; i++)
		out[i] -= middle;
}

#define REACH 2 /* points to either side that a spike is compared with */

/* Hampel's filter: steps and slopes pass, what is back at once does not. */
void series_without_spikes(struct series *s)
{
	double smooth[SERIES_MAX], off[SERIES_MAX], sorted[SERIES_MAX];
	double limit;

	if (s->count <= 2 * REACH)
		return;
	for (size_t i = 0; i < s->count; i++) {
		double around[2 * REACH + 1];
		bool inner = i >= REACH && i + REACH < s->count;

		if (inner)
			memcpy(around, s->y + i - REACH, sizeof(around));
		smooth[i] =
			inner ? series_median(around, 2 * REACH + 1) : s->y[i];
		sorted[i] = off[i] = fabs(s->y[i] - smooth[i]);
	}
	/* Six deviations by the 9th decile, that most points may be ties. */
	limit = 6 / 1.645 * select_kth(sorted, s->count, s->count * 9 / 10);
	for (size_t i = 0; i < s->count; i++) {
		if (off[i] > limit)
			s->y[i] = smooth[i];
	}
}

/* The ranks of @values, ties in the middle of theirs, around 0. */
static void ranks(const double *values, size_t count, double *out)
{
	for (size_t i = 0; i < count; i++) {
		out[i] = 0;
		for (size_t j = 0; j < count; j++)
			out[i] += ((values[j] < values[i]) -
				   (values[j] > values[i])) /
				  2.0;
	}
}

/* The variance of Kendall's S without autocorrelation. */
static double kendall_variance(const struct series *s)
{
	double n = (double)s->count, v = n * (n - 1) * (2 * n + 5);

	for (size_t i = 0; i < s->count; i++) {
		double ties = 0, first = 1;

		for (size_t j = 0; j < s->count; j++) {
			ties += s->y[j] == s->y[i];
			first = j < i && s->y[j] == s->y[i] ? 0 : first;
		}
		v -= first * ties * (ties - 1) * (2 * ties + 5);
	}
	return v / 18;
}

/* By how much autocorrelation widens it: Hamed and Rao (1998). */
static double kendall_widening(const struct series *s, double slope)
{
	double residuals[SERIES_MAX], r[SERIES_MAX];
	double n = (double)s->count, all = 0, widening = 0;

	series_residuals(s, slope, residuals);
	ranks(residuals, s->count, r);
	for (size_t i = 0; i < s->count; i++)
		all += r[i] * r[i];
	for (size_t lag = 1; lag + 2 < s->count && all > 0; lag++) {
		double sum = 0, k = (double)lag;

		for (size_t i = lag; i < s->count; i++)
			sum += r[i] * r[i - lag];
		if (fabs(sum / all) > 1.96 / sqrt(n))
			widening +=
				(n - k) * (n - k - 1) * (n - k - 2) * sum / all;
	}
	widening = 1 + 2 / (n * (n - 1) * (n - 2)) * widening;
	return widening > 1 ? widening : 1;
}

double series_mann_kendall(const struct series *s, double slope)
{
	double sum = 0, variance;

	if (s->count < 4)
		return 1;
	for (size_t i = 0; i < s->count; i++) {
		for (size_t j = i + 1; j < s->count; j++)
			sum += (s->y[j] > s->y[i]) - (s->y[j] < s->y[i]);
	}
	variance = kendall_variance(s) * kendall_widening(s, slope);
	if (!(variance > 0))
		return 1;
	sum -= (sum > 0) - (sum < 0);
	return estimate_normal_tail(sum / sqrt(variance));
}
