/*
 * trend: see trend.h.
 */
#include "profiler/analysis/trend.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/fit.h"
#include "profiler/analysis/series.h"

#define POINTS_MIN    8
#define ALPHA	      0.001
#define OCCAM	      5 /* by how much a bend must be better than a line */
#define PLAUSIBLE     6 /* within this of the best a shape may be true */
#define ROUNDING      1e-6
#define WALK_LIKELY   9
#define WALK_POSSIBLE 20
#define STEADY	      0.8
#define STATED	      2.2 /* standard errors of a stated interval: 97 % */

/* The series, x as 0..1, y from 0, as a share of its range. */
struct points {
	size_t count;
	double *x, *y, *v;
	size_t *at; /* index in the input */
	double x_scale, y_scale, y_base;
	bool exact;
};

/* What a stretch of the series shows. */
struct look {
	struct series s; /* after the cut */
	double phi;
	double slope, error, gate_error;
	double p, p_kendall;
	double early, early_error, late, late_error;
	double noise;
	enum { END_OPEN, END_BOUNDED, END_UNCLEAR } end;
};

static double student_tail(double t, double df)
{
	double z;

	if (isinf(t))
		return t > 0 ? 0 : 1;
	/* Wallace (1959). */
	z = (8 * df + 1) / (8 * df + 3) * sqrt(df * log1p(t * t / df));
	return estimate_normal_tail(t < 0 ? -z : z);
}

/* --- the series ---------------------------------------------------------- */

static void points_free(struct points *p)
{
	free(p->x);
	free(p->at);
}

static bool is_usable(const struct trend_series *in)
{
	for (size_t i = 0; i < in->count; i++) {
		if (!(fabs(in->x[i]) < 1e150 && fabs(in->y[i]) < 1e150) ||
		    (in->t && !(fabs(in->t[i]) < 1e150)) ||
		    (in->variance &&
		     !(in->variance[i] >= 0 && in->variance[i] < 1e300)) ||
		    (i > 0 && (in->x[i] < in->x[i - 1] ||
			       (in->t && in->t[i] < in->t[i - 1]))))
			return false;
	}
	return true;
}

/*
 * Points of equal x become one.  Before the first request that is the last,
 * the start is over then; later the first: what happens without requests is
 * not theirs, and at the end it is the exit.
 */
static void points_distinct(struct points *p, const struct trend_series *in)
{
	for (size_t i = 0; i < in->count; i++) {
		if (p->count > 1 && in->x[i] == in->x[p->at[p->count - 1]])
			continue;
		if (p->count == 1 && in->x[i] == in->x[p->at[0]])
			p->count = 0;
		p->at[p->count++] = i;
	}
}

static void points_scale(struct points *p, const struct trend_series *in)
{
	double low = INFINITY, high = -INFINITY;
	double x = in->x[p->at[0]];

	for (size_t i = 0; i < p->count; i++) {
		low = fmin(low, in->y[p->at[i]]);
		high = fmax(high, in->y[p->at[i]]);
	}
	p->x_scale = in->x[p->at[p->count - 1]] - x;
	p->y_scale = high > low ? high - low : 1;
	p->y_base = low;
	for (size_t i = 0; i < p->count; i++) {
		p->x[i] = (in->x[p->at[i]] - x) / p->x_scale;
		p->y[i] = (in->y[p->at[i]] - low) / p->y_scale;
		p->v[i] = in->variance ? in->variance[p->at[i]] / p->y_scale /
						 p->y_scale
				       : 0;
	}
}

/* A fall by half at the very end is a server that cleans up as it exits. */
static void points_without_exit(struct points *p, const double *y)
{
	for (int i = 0; i < 2 && p->count > POINTS_MIN; i++) {
		double low = INFINITY, high = -INFINITY, last, before;

		for (size_t j = 0; j < p->count; j++) {
			low = fmin(low, y[p->at[j]]);
			high = fmax(high, y[p->at[j]]);
		}
		last = y[p->at[p->count - 1]];
		before = y[p->at[p->count - 2]];
		if (before - last < (high - low) / 2)
			return;
		p->count--;
	}
}

static int points_of(struct points *p, const struct trend_series *in)
{
	*p = (struct points) { .exact = !in->variance };
	p->x = calloc(3 * in->count + 1, sizeof(*p->x));
	p->at = calloc(in->count + 1, sizeof(*p->at));
	if (!p->x || !p->at) {
		points_free(p);
		return -ENOMEM;
	}
	p->y = p->x + in->count;
	p->v = p->y + in->count;
	points_distinct(p, in);
	points_without_exit(p, in->y);
	if (p->count > 1)
		points_scale(p, in);
	return 0;
}

/* --- a stretch of it ------------------------------------------------------ */

static void half_slopes(struct look *l)
{
	struct series half;
	size_t n = l->s.count;
	double middle = (l->s.x[0] + l->s.x[n - 1]) / 2, r[SERIES_MAX];
	size_t k = 0;

	while (k < n && l->s.x[k] < middle)
		k++;
	if (k < 3)
		k = 3;
	if (k + 3 > n)
		k = n - 3;
	series_tail(&half, &l->s, k);
	l->late = series_slope(&half);
	series_residuals(&half, l->late, r);
	l->late_error = half.count > 3
				? fit_slope_error(&half, r, l->phi, ROUNDING)
				: INFINITY;
	half = l->s;
	half.count = k + 1;
	l->early = series_slope(&half);
	series_residuals(&half, l->early, r);
	l->early_error = half.count > 3
				 ? fit_slope_error(&half, r, l->phi, ROUNDING)
				 : INFINITY;
}

/* The slope of l->s, and how sure. */
static void measure(struct look *l, const struct points *p)
{
	double r[SERIES_MAX], sum = 0, n = (double)l->s.count;
	struct memory memory;
	double span = l->s.x[l->s.count - 1] - l->s.x[0];
	double sampling = 0, error;

	l->slope = series_slope(&l->s);
	series_residuals(&l->s, l->slope, r);
	for (size_t i = 0; i < l->s.count; i++)
		sum += r[i] * r[i];
	l->noise = sqrt(sum / n);
	if (!p->exact)
		sampling =
			1.2 *
			fabs(p->v[l->s.at[l->s.count - 1]] - p->v[l->s.at[0]]) /
			span / span;
	memory = fit_memory(r, l->s.count, 1);
	l->phi = memory.phi;
	error = fit_slope_error(&l->s, r,
				memory.walk < WALK_LIKELY
					? 1
					: (memory.phi + memory.high) / 2,
				ROUNDING);
	l->error = sqrt(fmax(error * error, sampling));
	error = fit_slope_error(&l->s, r,
				memory.walk < WALK_POSSIBLE ? 1 : memory.high,
				ROUNDING);
	l->gate_error = fmax(l->error, error);
	l->p = student_tail(l->slope / l->gate_error, n - 3);
	l->p_kendall = series_mann_kendall(&l->s, l->slope);
	half_slopes(l);
}

/* x of @s as 0..1 */
static void stretch(struct series *s)
{
	double first = s->x[0], span = s->x[s->count - 1] - first;

	for (size_t i = 0; i < s->count; i++)
		s->x[i] = (s->x[i] - first) / span;
}

/* What the shapes say together. */
struct shapes {
	bool line;   /* none is better than a line */
	bool steady; /* or not by as much as matters */
	bool smooth; /* a logarithm may be true */
	bool slower; /* surely not a line, but something that slows down */
	double low;  /* the least slope in the end that may be true */
	double end;  /* the least slope in the end that fits about best */
	double cut;  /* where the warm-up is over; 0: not */
};

/* Where a decay has no say any more in how the line goes on. */
static double decay_over(const struct fit *f)
{
	double x = 0;

	while (x < 1 && fabs(f->extra) * exp(-x / f->where) >
				0.05 * fabs(f->slope) * (1 - x))
		x += 0.01;
	return x;
}

static void weigh(struct shapes *w, const struct look *l,
		  const struct fits *fits, const struct series *s)
{
	const struct fit *line = &fits->at[0], *best = &fits->at[fits->best];
	const struct fit *cut = NULL;
	*w = (struct shapes) { .low = INFINITY, .end = INFINITY };
	for (size_t i = 0; i < fits->count; i++) {
		const struct fit *f = &fits->at[i];

		if (f->index > 0 && (!cut || f->score < cut->score))
			cut = f;
		if (f->score > best->score + PLAUSIBLE)
			continue;
		w->low = fmin(w->low, f->slope - 2.3 * f->error);
		w->end = fmin(w->end, f->slope);
		w->smooth |= f->shape == FIT_LOG;
	}
	w->line = line->score <= best->score + OCCAM &&
		  line->memory < 2.2 / sqrt((double)s->count);
	w->slower = line->score > best->score + 2 * OCCAM && best->extra > 0;
	w->end /= s->x[s->count - 1] - s->x[0];
	w->steady = l->p < ALPHA && w->end > STEADY * l->slope &&
		    l->late > STEADY * l->early && l->early > STEADY * l->late;
	if (best->shape == FIT_DECAY && best->slope > 2.3 * best->error)
		w->cut = s->x[0] +
			 decay_over(best) * (s->x[s->count - 1] - s->x[0]);
	else if (cut)
		w->cut = s->x[cut->index];
}

/* Looks at @s, and behind its warm-up where there is one. */
static void look_at(struct look *l, const struct points *p,
		    const struct series *s, int depth)
{
	struct fits fits;
	struct series shape = *s, tail;
	struct shapes w;
	struct memory memory;
	double r[SERIES_MAX];
	size_t first = 0;

	l->s = *s;
	measure(l, p);
	stretch(&shape);
	memory = fit_memory(r, s->count, fit_lines(&shape, r));
	fit_shapes(&fits, &shape, memory.walk < WALK_POSSIBLE ? 1 : memory.phi,
		   ROUNDING);
	weigh(&w, l, &fits, &l->s);
	l->end = END_OPEN;
	if (w.line || w.steady)
		return;
	if (w.low <= 0)
		l->end = END_BOUNDED;
	else if (l->late < STEADY * l->early || l->early < 0.3 * l->late ||
		 w.end < 0.5 * l->slope)
		l->end = w.slower ? END_BOUNDED : END_UNCLEAR;
	while (first < s->count && s->x[first] < w.cut)
		first++;
	if (first == 0 || s->count - first < POINTS_MIN || depth == 2 ||
	    s->x[s->count - 1] - s->x[first] < 0.5)
		return;
	series_tail(&tail, s, first);
	look_at(l, p, &tail, depth + 1);
	if (w.low <= 0)
		l->end = END_BOUNDED;
	else if (l->end == END_OPEN &&
		 (l->late + l->late_error < STEADY * l->early ||
		  (w.smooth && w.end < 0.6 * l->slope)))
		l->end = w.smooth ? END_BOUNDED : END_UNCLEAR;
}

/* --- the answer ----------------------------------------------------------- */

static struct figure figure(double value, double error, double scale)
{
	return (struct figure) {
		value * scale,
		(value - STATED * error) * scale,
		(value + STATED * error) * scale,
	};
}

static void answer(struct trend *out, const struct look *l,
		   const struct points *p, const struct trend_series *in)
{
	double scale = p->y_scale / p->x_scale;
	size_t first = p->at[l->s.at[0]];
	size_t last = p->at[p->count - 1];
	double span;

	out->slope = figure(l->slope, l->error, scale);
	out->early = figure(l->early, l->early_error, scale);
	out->late = figure(l->late, l->late_error, scale);
	out->late_early = estimate_ratio(out->late, out->early);
	out->p_value = fmax(l->p, l->p_kendall);
	out->noise = l->noise * p->y_scale;
	out->autocorrelation = l->phi;
	out->cut = first;
	out->x = in->x[last] - in->x[first];
	span = in->t ? in->t[last] - in->t[first] : out->x;
	out->seconds = span;
	out->per_second =
		estimate_per(out->slope, span > 0 ? span / out->x : 0);
	out->rise = out->slope.value * out->x;
}

static enum trend_class classify(const struct look *l, const struct points *p,
				 const struct trend_series *in)
{
	double alpha = in->alpha > 0 ? in->alpha : ALPHA;
	double scale = p->y_scale / p->x_scale;
	double span = 1 - l->s.x[0];
	bool matters = (l->slope - STATED * l->error) * scale > in->slope_min &&
		       l->slope * span * p->y_scale > in->rise_min;

	if (l->s.x[0] > 0)
		alpha /= 5;
	if (l->end == END_BOUNDED)
		return TREND_FILLS;
	if (!matters)
		return TREND_LEVEL;
	if (l->p < alpha && l->p_kendall < 0.02)
		return l->end == END_OPEN ? TREND_GROWS : TREND_UNDECIDED;
	if (l->p < 10 * alpha)
		return TREND_UNDECIDED;
	return TREND_LEVEL;
}

int trend_of(struct trend *out, const struct trend_series *in)
{
	static const size_t scales[] = { SERIES_MAX, 30, 20, 10 };
	struct points p;
	int rc;

	*out = (struct trend) { .class = TREND_UNDECIDED,
				.period = 1,
				.p_value = 1,
				.more = NAN,
				.more_seconds = NAN };
	if (!is_usable(in))
		return -EINVAL;
	rc = points_of(&p, in);
	if (rc)
		return rc;
	if (p.count < POINTS_MIN)
		goto done;
	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
		struct series s;
		struct look l;
		size_t length;
		enum trend_class class;

		if (i > 0 && p.count < 2 * scales[i])
			continue;
		length = series_minima(&s, scales[i], p.count, p.x, p.y);
		series_without_spikes(&s);
		look_at(&l, &p, &s, 0);
		class = classify(&l, &p, in);
		if (i > 0 && out->class != TREND_LEVEL)
			break;
		if (i == 0 || class == TREND_GROWS) {
			answer(out, &l, &p, in);
			out->class = class;
			out->period = length;
		}
		if (class == TREND_GROWS || class == TREND_FILLS)
			break;
	}
done:
	points_free(&p);
	return 0;
}

const char *trend_class_name(enum trend_class class)
{
	static const char *const names[] = { "level", "fills", "grows",
					     "undecided" };

	return names[class];
}
