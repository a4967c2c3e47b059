#include "profiler/model/kept.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define WINDOWS_MIN 4

struct line {	     /* one route's: by window */
	double *low; /* least bytes alive */
	double late; /* alive at the end, of stacks whose route the fold did
		      * not know, but who reads it */
	double allocated, variance;
};

struct scratch {
	const struct fold_result *r;
	struct fold_level *levels;
	struct line *lines; /* by route, as r->routes */
	double *values;	    /* low[] of all lines */
	double *x, *y, *slopes;
	size_t last; /* window in which the last request was answered */
};

static size_t last_busy(const struct fold_result *r)
{
	size_t last = r->window_count;

	while (last && !r->windows[last - 1].requests)
		last--;
	return last ? last - 1 : 0;
}

static struct line *line_of(struct scratch *s, uint32_t route)
{
	for (size_t i = 0; i < s->r->route_count; i++)
		if (s->r->routes[i].route == route)
			return &s->lines[i];
	return NULL;
}

static void add_stacks(struct scratch *s)
{
	for (size_t i = 0; i < s->r->stack_count; i++) {
		const struct fold_stack *stack = &s->r->stacks[i];
		struct line *l = stack->route ? line_of(s, stack->route) : NULL;

		if (!l)
			continue;
		fold_levels(s->r, stack, s->levels);
		for (size_t w = 0; w < s->r->window_count; w++)
			l->low[w] += s->levels[w].low;
		if (stack->by_handler)
			l->late += s->levels[s->last].end;
		l->allocated += stack->allocated.bytes;
		l->variance += stack->allocated.bytes_variance;
	}
}

/* Points of the line that count; *@count of them. */
static void choose(struct scratch *s, const struct fold_route *route,
		   const struct line *l, size_t *count)
{
	double answered = 0, total = 0;

	for (size_t w = 0; w <= s->last; w++)
		total += (double)route->windows[w];
	*count = 0;
	for (size_t w = 0; w < s->last; w++) {
		/* What is kept is least when the window begins. */
		if (answered && answered * 4 >= total) {
			s->x[*count] = answered;
			s->y[(*count)++] = l->low[w];
		}
		answered += (double)route->windows[w];
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return count % 2 ? values[count / 2]
			 : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* NAN: the points lie on one request. */
static double theil_sen(struct scratch *s, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++)
			if (s->x[j] > s->x[i])
				s->slopes[n++] = (s->y[j] - s->y[i]) /
						 (s->x[j] - s->x[i]);
	return n ? median(s->slopes, n) : NAN;
}

/* Of a slope, by the spread of the points around their line. */
static double slope_variance(struct scratch *s, size_t count, double slope)
{
	double mean = 0, squares = 0, sigma;

	for (size_t i = 0; i < count; i++) {
		mean += s->x[i] / (double)count;
		s->slopes[i] = s->y[i] - slope * s->x[i];
	}
	sigma = median(s->slopes, count);
	for (size_t i = 0; i < count; i++) {
		s->slopes[i] = fabs(s->slopes[i] - sigma);
		squares += (s->x[i] - mean) * (s->x[i] - mean);
	}
	sigma = 1.4826 * median(s->slopes, count);
	return squares > 0 ? sigma * sigma / squares : 0;
}

/* The held points past the first quarter of them; *@count. */
static void choose_held(struct scratch *s, const struct fold_route *route,
			size_t *count)
{
	size_t first = route->held_count / 4;

	*count = 0;
	for (size_t i = first; i < route->held_count; i++) {
		s->x[*count] = (double)route->held[i].answered;
		s->y[(*count)++] = route->held[i].bytes;
	}
}

/* NAN: the points lie on one request. */
static double least_squares(const struct scratch *s, size_t count)
{
	double x = 0, y = 0, squares = 0, products = 0;

	for (size_t i = 0; i < count; i++) {
		x += s->x[i] / (double)count;
		y += s->y[i] / (double)count;
	}
	for (size_t i = 0; i < count; i++) {
		squares += (s->x[i] - x) * (s->x[i] - x);
		products += (s->x[i] - x) * (s->y[i] - y);
	}
	return squares > 0 ? products / squares : NAN;
}

/*
 * Too few windows: what was held as requests were answered, which has as much
 * of theirs that is about to be released in it each time.  Of samples a few
 * large steps may be all that there is, whose median slope is too small; the
 * mean is not.  Where there are but a few requests, it is what was held after
 * the last.
 */
static struct kept by_points(struct scratch *s, const struct fold_route *route,
			     double per_byte)
{
	struct kept k = { 0 };
	double slope = NAN, n;
	size_t count;

	if (!route->held_count)
		return k;
	choose_held(s, route, &count);
	if (count >= WINDOWS_MIN)
		slope = per_byte > 0 ? least_squares(s, count)
				     : theil_sen(s, count);
	if (isnan(slope)) {
		n = s->x[count - 1];
		k.bytes_per_request = s->y[count - 1] / n;
		k.variance = fmax(0, s->y[count - 1]) * per_byte / (n * n);
		return k;
	}
	n = s->x[count - 1] - s->x[0];
	k.bytes_per_request = fmax(0, slope);
	k.variance = slope_variance(s, count, slope) +
		     k.bytes_per_request * per_byte / n;
	return k;
}

static struct kept brief(struct scratch *s, const struct fold_route *route,
			 const struct line *l, double per_byte)
{
	struct kept k = by_points(s, route, per_byte);
	double n = (double)route->count;

	k.bytes_per_request += l->late / n;
	k.variance += l->late * per_byte / (n * n);
	return k;
}

static struct kept measure(struct scratch *s, const struct fold_route *route,
			   const struct line *l)
{
	double n = (double)route->count, slope = NAN;
	double per_byte = l->allocated > 0 ? l->variance / l->allocated : 0;
	struct kept k = { 0 };
	size_t count;

	choose(s, route, l, &count);
	if (count >= WINDOWS_MIN)
		slope = theil_sen(s, count);
	if (isnan(slope))
		return brief(s, route, l, per_byte);
	k.bytes_per_request = fmax(0, slope);
	k.variance = slope_variance(s, count, slope) +
		     s->y[count - 1] * per_byte / (n * n);
	return k;
}

static int scratch_make(struct scratch *s)
{
	size_t windows = s->r->window_count, routes = s->r->route_count;
	size_t points = windows;

	for (size_t i = 0; i < routes; i++)
		if (s->r->routes[i].held_count > points)
			points = s->r->routes[i].held_count;
	s->levels = calloc(windows + 1, sizeof(*s->levels));
	s->lines = calloc(routes + 1, sizeof(*s->lines));
	s->values = calloc(windows * routes + 1, sizeof(*s->values));
	s->x = calloc(points + 1, sizeof(*s->x));
	s->y = calloc(points + 1, sizeof(*s->y));
	s->slopes = calloc(points * points + 1, sizeof(*s->slopes));
	if (!s->levels || !s->lines || !s->values || !s->x || !s->y ||
	    !s->slopes)
		return -ENOMEM;
	for (size_t i = 0; i < routes; i++)
		s->lines[i].low = s->values + i * windows;
	return 0;
}

int kept_measure(const struct fold_result *r, struct kept *out)
{
	struct scratch s = { .r = r, .last = last_busy(r) };
	int rc = scratch_make(&s);

	if (rc == 0)
		add_stacks(&s);
	for (size_t i = 0; i < r->route_count && rc == 0; i++)
		out[i] = measure(&s, &r->routes[i], &s.lines[i]);
	free(s.levels);
	free(s.lines);
	free(s.values);
	free(s.x);
	free(s.y);
	free(s.slopes);
	return rc;
}
