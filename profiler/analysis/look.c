/*
 * look: see look.h.
 */
#include "profiler/analysis/look.h"

#include <math.h>
#include <string.h>

#include "profiler/analysis/estimate.h"
#include "profiler/analysis/fit.h"

#define SIGNIFICANT 0.001
#define ROUNDING    1e-6 /* of the range: what is less is no noise */

/* Schwarz's criterion: */
#define OCCAM	  6  /* by how much a bend must be better than a line */
#define SURELY	  10 /* and by how much it leaves no doubt */
#define PLAUSIBLE 6  /* within this of the best a shape may be true */

/* Dickey and Fuller's test: below these the noise is, may be a random walk. */
#define WALK_LIKELY   12
#define WALK_POSSIBLE 20

#define CHOSEN	    6	 /* what is left of a walk looks less like one */
#define WALK_UNSURE 1.25 /* its own variance is of few large steps */

/* The late slope over the early one: */
#define STANDS 0.3  /* hardly goes on */
#define SAME   0.6  /* as likely as not on the way of a random walk */
#define EVEN   0.7  /* of few samples no more is to be had */
#define STEADY 0.8  /* as good as the same */
#define WARM   0.88 /* is asked behind a warm-up that slowed down */
#define SLOWER 0.93 /* where another shape is as good, too */

#define SURE	 2.3 /* standard errors, one side: 99 % */
#define LOPSIDED 2.6 /* of a difference that every line is held to */
#define DEPTH	 2   /* a start and a warm-up are cut off, not more */
#define REST_MIN 0.4 /* of the whole must remain behind a cut */

static double student_tail(double t, double df)
{
	double z;

	if (isinf(t))
		return t > 0 ? 0 : 1;
	/* Wallace (1959). */
	z = (8 * df + 1) / (8 * df + 3) * sqrt(df * log1p(t * t / df));
	return estimate_normal_tail(t < 0 ? -z : z);
}

static double span_of(const struct series *s)
{
	return s->x[s->count - 1] - s->x[0];
}

static void part_slope(const struct look *l, size_t first, size_t count,
		       double *slope, double *error)
{
	struct series part;
	double r[SERIES_MAX];

	series_part(&part, &l->s, first, count);
	*slope = series_slope(&part);
	series_residuals(&part, *slope, r);
	*error = count > 3 ? fit_slope_error(&part, r, l->autocorrelation,
					     ROUNDING)
			   : INFINITY;
}

static void measure_halves(struct look *l, const double *variance)
{
	size_t n = l->s.count, k = 3;

	while (k + 3 < n && l->s.x[k] - l->s.x[0] < span_of(&l->s) / 2)
		k++;
	part_slope(l, 0, k + 1, &l->early, &l->early_error);
	part_slope(l, k, n - k, &l->late, &l->late_error);
	l->doubt = variance ? 2 * l->late_error : 0;
}

/* The errors that noise leaves to the slope: what memory is likely, and up to
 * a random walk as far as that may be. */
static void memory_error(struct look *l, const double *r,
			 const struct memory *m, bool sampled)
{
	/* Samples live as long as what they stand for: more than is seen. */
	double phi = m->phi + (sampled ? 2 : 0.5) * m->error;
	double walk = fit_slope_error(&l->s, r, 1, ROUNDING);
	double high = fit_slope_error(&l->s, r, fmin(phi, 1), ROUNDING);
	double share =
		(WALK_POSSIBLE - m->walk) / (WALK_POSSIBLE - WALK_LIKELY);

	share = fmin(fmax(share, 0), 1);
	l->gate_error = fmax(high, share * walk + (1 - share) * high);
	l->error = walk;
	if (m->walk > WALK_LIKELY)
		l->error = fit_slope_error(&l->s, r,
					   fmin(m->phi + m->error / 4, 1),
					   ROUNDING);
}

/* The slope of l->s, and how sure; @chosen: because it looks like a line. */
static void measure(struct look *l, const double *variance, bool chosen)
{
	double r[SERIES_MAX], squares = 0, n = (double)l->s.count;
	double sampling = 0;
	struct memory memory;

	l->slope = series_slope(&l->s);
	series_residuals(&l->s, l->slope, r);
	for (size_t i = 0; i < l->s.count; i++)
		squares += r[i] * r[i];
	l->noise = sqrt(squares / n);
	memory = fit_memory(r, l->s.count, 1);
	memory.walk -= chosen ? CHOSEN : 0;
	l->walk = memory.walk;
	l->autocorrelation = memory.phi;
	/* What was sampled and stays is a random walk, seen or not. */
	if (variance)
		sampling = sqrt(1.2 *
				fabs(variance[l->s.count - 1] - variance[0])) /
			   span_of(&l->s);
	memory_error(l, r, &memory, variance != NULL);
	l->gate_error = fmax(fmax(l->gate_error, l->error), sampling);
	if (memory.walk < WALK_LIKELY)
		l->error *= WALK_UNSURE;
	l->error = fmax(l->error, sampling);
	l->p = student_tail(l->slope / l->gate_error, n - 3);
	l->p_kendall = series_mann_kendall(&l->s, l->slope);
	measure_halves(l, variance);
}

/* Whether it stands still from @first on, @share of the slope being still. */
static bool is_still(const struct look *l, size_t first, double share)
{
	double slope, error;

	part_slope(l, first, l->s.count - first, &slope, &error);
	return slope + fmax(error, l->doubt) < share * l->slope;
}

static size_t last_quarter(const struct look *l)
{
	size_t n = l->s.count, k = 0;

	while (k + 4 < n && l->s.x[n - 1] - l->s.x[k] > span_of(&l->s) / 4)
		k++;
	return k;
}

/* What the shapes say together. */
struct shapes {
	bool line;    /* none is better than a line */
	bool steady;  /* or not by as much as matters */
	bool smooth;  /* a logarithm or a root may be true */
	bool slower;  /* surely not a line, but something that slows down */
	bool plateau; /* surely another line in the end, and a flatter one */
	double low;   /* the least slope in the end that may be true */
	double end;   /* the least slope in the end that fits about best */
	double cut;   /* x where the warm-up is over; < 0: not to be seen */
};

/* Where a decay has no say any more in how the line goes on, 0..1. */
static double decay_over(const struct fit *f)
{
	double x = 0;

	while (x < 1 && fabs(f->extra) * exp(-x / f->where) >
				0.05 * fabs(f->slope) * (1 - x))
		x += 0.01;
	return x;
}

static void find_cut(struct shapes *w, const struct fits *fits,
		     const struct series *s)
{
	const struct fit *best = &fits->at[fits->best], *cut = NULL;

	for (size_t i = 0; i < fits->count; i++) {
		const struct fit *f = &fits->at[i];

		if (f->index > 0 && (!cut || f->score < cut->score))
			cut = f;
	}
	w->cut = cut ? s->x[cut->index] : -1;
	if (best->shape == FIT_DECAY && best->slope > SURE * best->error)
		w->cut = s->x[0] + decay_over(best) * span_of(s);
}

static void weigh(struct shapes *w, const struct fits *fits,
		  const struct look *l)
{
	const struct fit *line = &fits->at[0], *best = &fits->at[fits->best];
	double span = span_of(&l->s);

	*w = (struct shapes) { .low = INFINITY, .end = INFINITY };
	for (size_t i = 0; i < fits->count; i++) {
		const struct fit *f = &fits->at[i];

		if (f->score > best->score + PLAUSIBLE)
			continue;
		w->low = fmin(w->low, (f->slope - SURE * f->error) / span);
		w->end = fmin(w->end, f->slope / span);
		w->smooth |= f->shape == FIT_LOG || f->shape == FIT_ROOT;
	}
	w->line = line->score <= best->score + OCCAM &&
		  line->memory < 2.2 / sqrt((double)l->s.count);
	w->slower = line->score > best->score + SURELY && best->extra > 0;
	w->plateau = line->score > best->score + SURELY && best->index > 0 &&
		     best->shape != FIT_STEP &&
		     best->slope + SURE * best->error < 0.5 * l->slope * span &&
		     is_still(l, best->index, 0.5);
	w->steady = l->p < SIGNIFICANT && w->end > STEADY * l->slope &&
		    l->late > STEADY * l->early && l->early > STEADY * l->late;
	find_cut(w, fits, &l->s);
}

/* x of @s as 0..1. */
static void stretch(struct series *s)
{
	double first = s->x[0], span = span_of(s);

	for (size_t i = 0; i < s->count; i++)
		s->x[i] = (s->x[i] - first) / span;
}

static void fit_and_weigh(struct shapes *w, const struct look *l)
{
	struct series shape = l->s;
	struct fits fits;
	struct memory memory;
	double r[SERIES_MAX];

	stretch(&shape);
	memory = fit_memory(r, shape.count, fit_lines(&shape, r));
	fit_shapes(&fits, &shape, memory.walk < WALK_POSSIBLE ? 1 : memory.phi,
		   ROUNDING);
	weigh(w, &fits, l);
}

/*
 * Where there is much noise, most shapes may be a line.  One that rose in one
 * half only is none that is to be trusted, unless chance may have it so; where
 * the noise may be a random walk, no error says what chance may.
 */
static bool is_lopsided(const struct look *l)
{
	double least = l->doubt > 0 ? STANDS : SAME;
	double error = hypot(l->early_error, l->late_error);

	if (l->early - l->late > LOPSIDED * error && l->late < SAME * l->early)
		return true;
	return l->walk < WALK_POSSIBLE &&
	       (l->late + l->doubt < least * fmax(l->early, l->slope) ||
		l->early + l->doubt < STANDS * l->late);
}

/* How a stretch that is not a line ends, as far as it says itself. */
static enum look_end end_of(const struct look *l, const struct shapes *w)
{
	bool slower = l->late + l->doubt < STEADY * l->early;

	if (is_still(l, last_quarter(l), STANDS))
		return END_BOUNDED;
	if (w->plateau || (slower && (w->slower || w->low <= 0)))
		return END_BOUNDED;
	/* Few samples bear many shapes: what was even in both halves is one. */
	if (l->doubt > 0 && l->late > EVEN * l->early &&
	    l->early > EVEN * l->late)
		return END_OPEN;
	if (w->low <= 0 || l->late < STEADY * l->early ||
	    l->early < STANDS * l->late || w->end < 0.5 * l->slope)
		return END_UNCLEAR;
	return END_OPEN;
}

/* How it ends when behind the cut there is a line, @l; @before is the slope
 * with what was cut. */
static enum look_end end_behind(const struct look *l, const struct shapes *w,
				double before)
{
	if (l->p > SIGNIFICANT)
		return l->doubt > 0 && l->slope + l->doubt > before / 2
			       ? END_UNCLEAR
			       : END_BOUNDED;
	if (w->slower && l->late + l->doubt < WARM * l->early)
		return END_BOUNDED;
	if (l->late + l->late_error < STEADY * l->early)
		return (w->smooth || w->slower) &&
				       l->late + l->doubt < STEADY * l->early
			       ? END_BOUNDED
			       : END_UNCLEAR;
	if (w->low <= 0 || (w->smooth && w->end < 0.6 * l->slope) ||
	    (w->slower && l->late - l->doubt < SAME * l->early))
		return w->slower && l->late + l->doubt < SLOWER * l->early
			       ? END_BOUNDED
			       : END_UNCLEAR;
	return END_OPEN;
}

static void look_deeper(struct look *l, const double *variance, int depth)
{
	struct shapes w;
	size_t first = 0, n = l->s.count;
	double before;

	measure(l, variance, depth > 0);
	before = l->slope;
	fit_and_weigh(&w, l);
	l->end = END_OPEN;
	if (w.steady || (w.line && !is_lopsided(l)))
		return;
	l->end = end_of(l, &w);
	while (first < n && l->s.x[first] < w.cut)
		first++;
	if (first == 0 || n - first < POINTS_MIN || depth == DEPTH ||
	    l->s.x[n - 1] - l->s.x[first] < REST_MIN)
		return;
	series_part(&l->s, &l->s, first, n - first);
	look_deeper(l, variance ? variance + first : NULL, depth + 1);
	if (l->end == END_OPEN)
		l->end = end_behind(l, &w, before);
}

void look_at(struct look *l, const struct series *s, const double *variance)
{
	l->s = *s;
	look_deeper(l, variance, 0);
}
