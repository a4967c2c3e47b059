/*
 * drift: see drift.h.
 */
#include "profiler/analysis/drift.h"

#include <math.h>
#include <stdbool.h>

#include "profiler/analysis/series.h"
#include "profiler/model/model.h"

#define REQUESTS_MIN 10	  /* in a window, for a p95 to speak of */
#define WINDOWS_MIN  8	  /* with so many */
#define SIGNIFICANT  0.01 /* both ways */
#define MATTERS	     0.1  /* of the p95, over the recording */
#define MATTERS_MS   0.5

static void add_point(struct series *s, double t, double p95)
{
	s->x[s->count] = t;
	s->y[s->count] = p95;
	s->at[s->count] = s->count;
	s->count++;
}

/* Windows with enough requests; of many, the median of each few. */
static void take_points(struct series *s, const struct model *m,
			const struct model_endpoint *p)
{
	uint32_t step = (m->course_count + SERIES_MAX - 1) / SERIES_MAX;

	s->count = 0;
	for (uint32_t from = 0; from < m->course_count; from += step) {
		double values[SERIES_MAX], t = 0;
		size_t count = 0;

		for (uint32_t w = from;
		     w < from + step && w < m->course_count &&
		     count < SERIES_MAX;
		     w++) {
			if (p->course[w].count < REQUESTS_MIN)
				continue;
			values[count++] = p->course[w].p95_ms;
			t += w + 0.5;
		}
		if (count)
			add_point(s, t / (double)count * m->course_seconds,
				  series_median(values, count));
	}
}

static double p_value(const struct series *s, double slope)
{
	struct series other = *s;
	double up = series_mann_kendall(s, slope), down;

	for (size_t i = 0; i < s->count; i++)
		other.y[i] = -s->y[i];
	down = series_mann_kendall(&other, -slope);
	return fmin(1, 2 * fmin(up, down));
}

/* The line of that slope with as many points above it as below. */
static void put_line(struct drift *out, const struct series *s, double slope)
{
	double off[SERIES_MAX], middle;

	for (size_t i = 0; i < s->count; i++)
		off[i] = s->y[i] - slope * s->x[i];
	middle = series_median(off, s->count);
	out->from_ms = fmax(0, middle + slope * s->x[0]);
	out->to_ms = fmax(0, middle + slope * s->x[s->count - 1]);
}

static bool matters(const struct drift *d)
{
	double change = fabs(d->to_ms - d->from_ms);

	return change > MATTERS_MS &&
	       change > MATTERS * fmin(d->from_ms, d->to_ms);
}

void drift_of(struct drift *out, const struct model *m,
	      const struct model_endpoint *p)
{
	struct series s;
	double slope;

	*out = (struct drift) { .ms_per_minute = NAN,
				.from_ms = NAN,
				.to_ms = NAN,
				.p_value = NAN };
	if (!p->course)
		return;
	take_points(&s, m, p);
	out->windows = (uint32_t)s.count;
	if (s.count < WINDOWS_MIN)
		return;
	slope = series_slope(&s);
	out->ms_per_minute = slope * 60;
	out->p_value = p_value(&s, slope);
	put_line(out, &s, slope);
	out->class = DRIFT_STEADY;
	if (out->p_value < SIGNIFICANT && matters(out))
		out->class = slope > 0 ? DRIFT_RISES : DRIFT_FALLS;
}

const char *drift_name(enum drift_class class)
{
	static const char *const names[] = { "unknown", "steady", "rises",
					     "falls" };

	return names[class];
}
