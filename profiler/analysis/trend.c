/*
 * trend: see trend.h.
 *
 * What the level did is looked at through blocks of a few lengths, the
 * shortest first: minima over longer ones see below a sawtooth.  The classes
 * are asymmetric on purpose.  To be called growing, a level must rise more
 * than a random walk of its own steps would, in both halves, in new ground,
 * and no shape that ends may explain it; what only rises falls short of that
 * to TREND_UNDECIDED or, where it surely slows down, to TREND_FILLS.
 */
#include "profiler/analysis/trend.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/ladder.h"
#include "profiler/analysis/look.h"
#include "profiler/analysis/points.h"
#include "profiler/analysis/series.h"

#define ALPHA	    0.001 /* of a false alarm, where the caller names none */
#define KENDALL	    0.02
#define AFTER_CUT   50	/* a stretch that was chosen must be that much surer */
#define SUSPICIOUS  10	/* times alpha */
#define STRAIGHT    6	/* times its noise a line rises, walk or not */
#define STATED	    2.1 /* standard errors of a stated interval */
#define SAMPLES_MIN 4	/* of a level that never falls, to be suspicious */
#define STAIRS_SURE 0.1 /* of the range: a step is seen as high as it is */
#define MORE_MOST   10	/* times what there was is asked for */

/* One y of the caller's series and what it is said to be. */
struct view {
	const struct trend_series *in;
	const struct points *p;
	const double *y;
	struct look look;
	double climb; /* from the first points to the last, in y of @p */
};

static double alpha_of(const struct view *v)
{
	double alpha = v->in->alpha > 0 ? v->in->alpha : ALPHA;

	return v->look.s.x[0] > 0 ? alpha / AFTER_CUT : alpha;
}

static double per_x(const struct view *v)
{
	return v->p->y_scale / v->p->x_scale;
}

/* Whether growth by @rise, and by at least @least a unit of x, would be worth
 * a word. */
static bool matters(const struct view *v, double rise, double least)
{
	return least > 0 && least * per_x(v) > v->in->slope_min &&
	       rise * v->p->y_scale > v->in->rise_min;
}

static double rise_of(const struct view *v)
{
	return v->look.slope * (1 - v->look.s.x[0]);
}

/*
 * Whether, before what is taken for the warm-up was over, the level had risen
 * as far and for as long as it does behind it, and fallen again: then what
 * rises now will fall too.
 */
static bool fell_before(const struct view *v)
{
	const struct series *s = &v->look.s;
	double rise = rise_of(v);
	size_t trough = 0, peak = 0;

	for (size_t i = 1; i <= s->at[0]; i++) {
		bool fell = v->y[peak] - v->y[i] > rise / 2;

		if (fell && v->y[peak] - v->y[trough] > rise / 2 &&
		    v->p->x[peak] - v->p->x[trough] > (1 - s->x[0]) / 4)
			return true;
		if (fell || v->y[i] < v->y[trough])
			trough = peak = i;
		else if (v->y[i] > v->y[peak])
			peak = i;
	}
	return false;
}

/*
 * How often a level rose that never fell, and @late in the last third; 0
 * where it fell.
 */
static unsigned rises(const struct series *s, unsigned *late)
{
	double from = s->x[0] + (s->x[s->count - 1] - s->x[0]) * 2 / 3;
	unsigned count = 0;

	*late = 0;
	for (size_t i = 1; i < s->count; i++) {
		if (s->y[i] < s->y[i - 1])
			return 0;
		if (s->y[i] > s->y[i - 1]) {
			count++;
			*late += s->x[i] > from;
		}
	}
	return count;
}

/*
 * The chance that a level which never fell rose that often, as if a coin fell
 * the same each time; 1 where it fell, or hardly rose in the end.
 */
static double sign_test(const struct view *v)
{
	unsigned late, count = rises(&v->look.s, &late);

	return late < count / 6 || !count ? 1 : pow(0.5, count);
}

/* It rose now and then and never fell, but by so few jumps that a pool, which
 * grows when there is more need than ever, may have made them. */
static bool is_by_few_jumps(const struct view *v, double alpha)
{
	unsigned late, count = rises(&v->look.s, &late);

	return count > 0 && pow(0.5, count) > SUSPICIOUS * alpha;
}

static bool only_rises(const struct view *v)
{
	unsigned late;

	return !v->p->exact && rises(&v->look.s, &late) >= SAMPLES_MIN && late;
}

/* What does not grow: it may have. */
static enum trend_class rose(const struct view *v)
{
	return v->climb > 3 * v->look.noise && matters(v, v->climb, v->climb)
		       ? TREND_FILLS
		       : TREND_LEVEL;
}

/* Not sure enough for an alarm, too much for a word of comfort. */
static bool is_suspicious(const struct view *v, double alpha)
{
	const struct look *l = &v->look;
	double rise = rise_of(v);

	if (l->p < SUSPICIOUS * alpha && rise > 2 * l->noise)
		return true;
	if (l->end == END_OPEN && rise > STRAIGHT * l->noise &&
	    l->late > l->early / 2 && l->early > l->late / 2)
		return true;
	return only_rises(v);
}

static enum trend_class classify(struct view *v)
{
	const struct look *l = &v->look;
	double alpha = alpha_of(v);
	double p = v->p->exact ? l->p : fmin(l->p, sign_test(v));

	if (l->end == END_BOUNDED)
		return rose(v);
	if (!matters(v, rise_of(v), l->slope - STATED * l->error)) {
		if (only_rises(v) && matters(v, rise_of(v), l->slope))
			return TREND_UNDECIDED;
		return rose(v);
	}
	if (l->s.x[0] > 0 && fell_before(v))
		return TREND_LEVEL;
	if (is_by_few_jumps(v, alpha))
		return only_rises(v) ? TREND_UNDECIDED : rose(v);
	if (p < alpha && l->p_kendall < KENDALL)
		return l->end == END_OPEN ? TREND_GROWS : TREND_UNDECIDED;
	return is_suspicious(v, alpha) ? TREND_UNDECIDED : rose(v);
}

static void look_through(struct view *v, size_t blocks, size_t *length)
{
	double variance[SERIES_MAX], first[3], last[3];
	struct series s;
	size_t n;

	*length = series_minima(&s, blocks, v->p->count, v->p->x, v->y);
	series_without_spikes(&s);
	n = s.count;
	for (size_t i = 0; i < n; i++)
		variance[i] = v->p->variance[s.at[i]];
	memcpy(first, s.y, sizeof(first));
	memcpy(last, s.y + n - 3, sizeof(last));
	v->climb = series_median(last, 3) - series_median(first, 3);
	look_at(&v->look, &s, v->p->exact ? NULL : variance);
}

static struct figure figure(double value, double error, double scale)
{
	return (struct figure) {
		value * scale,
		(value - STATED * error) * scale,
		(value + STATED * error) * scale,
	};
}

static void fill_in(struct trend *out, const struct view *v)
{
	const struct look *l = &v->look;
	const struct trend_series *in = v->in;
	size_t first = v->p->at[l->s.at[0]];
	size_t last = v->p->at[v->p->count - 1];

	out->slope = figure(l->slope, l->error, per_x(v));
	out->early = figure(l->early, l->early_error, per_x(v));
	out->late = figure(l->late, l->late_error, per_x(v));
	out->late_early = estimate_ratio(out->late, out->early);
	out->p_value = fmax(l->p, l->p_kendall);
	out->noise = l->noise * v->p->y_scale;
	out->autocorrelation = l->autocorrelation;
	out->cut = first;
	out->x = in->x[last] - in->x[first];
	out->seconds = in->t ? in->t[last] - in->t[first] : out->x;
	out->per_second = estimate_per(out->slope, out->seconds / out->x);
	out->rise = out->slope.value * out->x;
}

/* What is missing, if it goes on as it does. */
static void ask_for_more(struct trend *out, const struct view *v)
{
	double z = v->look.slope / v->look.gate_error;
	double wanted = estimate_normal_quantile(1 - alpha_of(v)) * 1.2;
	double times = 1;

	if (z > 0 && z < wanted)
		times = fmin(wanted * wanted / z / z - 1, MORE_MOST);
	times = fmax(times, 0.25);
	out->more = times * out->x;
	out->more_seconds = times * out->seconds;
}

/* Looks at @y through blocks of growing length until one shows growth. */
static void judge(struct trend *out, const struct trend_series *in,
		  const struct points *p, const double *y)
{
	static const size_t blocks[] = { SERIES_MAX, 30, 20, 10 };
	struct view v = { .in = in, .p = p, .y = y };

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		enum trend_class class;
		size_t length;

		if (i > 0 && p->count < 2 * blocks[i])
			continue;
		look_through(&v, blocks[i], &length);
		class = classify(&v);
		if (i > 0 && (class != TREND_GROWS ||
			      v.look.noise * p->y_scale > out->noise / 2))
			continue;
		out->class = class;
		out->period = length;
		fill_in(out, &v);
		if (class == TREND_UNDECIDED)
			ask_for_more(out, &v);
		if (v.look.end != END_OPEN || class == TREND_GROWS)
			return;
	}
}

/* Growth must be more than this share of what the load explains, which is in
 * proportion to it only about; and is surer than a tenth of that in no case. */
#define LOAD_SHARE 0.4

static void judge_share(struct trend *out, const struct trend_series *in,
			const struct points *p, double share, double *y)
{
	struct trend_series rest = *in;
	double explained = share * p->load_spread * p->y_scale, off;

	for (size_t i = 0; i < p->count; i++)
		y[i] = p->y[i] - share * p->load[i];
	rest.rise_min = fmax(in->rise_min, LOAD_SHARE * explained);
	judge(out, &rest, p, y);
	off = explained / 10 / out->x;
	out->slope.low -= off;
	out->slope.high += off;
	out->per_second = estimate_per(out->slope, out->seconds / out->x);
}

/* The same without what the load explains; growth must stand either way. */
static int judge_under_load(struct trend *out, const struct trend_series *in,
			    const struct points *p)
{
	double likely, most, *y = calloc(p->count, sizeof(*y));
	struct trend other = *out;

	if (!y)
		return -ENOMEM;
	points_load_shares(p, &likely, &most);
	judge_share(out, in, p, likely, y);
	judge_share(&other, in, p, most, y);
	free(y);
	if (other.class != TREND_GROWS && other.noise < 1.4 * out->noise)
		*out = other;
	return 0;
}

static void climb_ladder(struct trend *out, const struct trend_series *in,
			 const struct points *p)
{
	struct ladder l = ladder_of(p, p->y, in->x[p->at[0]] / p->x_scale);
	size_t last = p->at[p->count - 1];
	double slope;

	out->jumps = l.jumps;
	if (!l.goes_on || p->variance[p->count - 1] > STAIRS_SURE * STAIRS_SURE)
		return;
	slope = (in->y[last] - in->y[p->at[0]]) / p->x_scale;
	if (slope <= in->slope_min || slope * p->x_scale <= in->rise_min)
		return;
	out->class = TREND_GROWS;
	out->shape = SHAPE_STAIRCASE;
	out->slope =
		(struct figure) { slope, slope / l.ratio, slope * l.ratio };
	out->per_second = estimate_per(out->slope, out->seconds / out->x);
}

static enum finding_shape shape_of(const struct trend *t)
{
	switch (t->class) {
	case TREND_LEVEL:
		return t->period > 1 ? SHAPE_SAWTOOTH : SHAPE_FLAT;
	case TREND_FILLS:
		return t->late.low > 0 ? SHAPE_CONCAVE : SHAPE_PLATEAU;
	default:
		return SHAPE_LINEAR;
	}
}

static double confidence_of(const struct trend *t)
{
	switch (t->class) {
	case TREND_GROWS:
		return 1 - fmin(t->p_value, 0.5);
	case TREND_UNDECIDED:
		return 0.5;
	default:
		return 0.95;
	}
}

/* Too few points for a word: those that are missing. */
static void ask_for_points(struct trend *out, const struct trend_series *in,
			   const struct points *p)
{
	double missing = (double)(POINTS_MIN - p->count);
	size_t last;

	if (p->count < 2)
		return;
	last = p->at[p->count - 1];
	missing /= (double)(p->count - 1);
	out->x = p->x_scale;
	out->seconds = in->t ? in->t[last] - in->t[p->at[0]] : out->x;
	out->more = missing * out->x;
	out->more_seconds = missing * out->seconds;
}

/* What never was far from anywhere else has not grown by as much as matters. */
static bool is_too_small(struct trend *out, const struct trend_series *in,
			 const struct points *p)
{
	size_t first = p->at[0], last = p->at[p->count - 1];
	double most = p->range / p->x_scale;

	if (p->range > in->rise_min && most > in->slope_min)
		return false;
	out->class = TREND_LEVEL;
	out->confidence = 1;
	out->x = p->x_scale;
	out->seconds = in->t ? in->t[last] - in->t[first] : out->x;
	out->cut = first;
	out->slope = (struct figure) { (in->y[last] - in->y[first]) / out->x,
				       -most, most };
	out->per_second = estimate_per(out->slope, out->seconds / out->x);
	out->rise = out->slope.value * out->x;
	return true;
}

static int judge_points(struct trend *out, const struct trend_series *in,
			const struct points *p)
{
	int rc = 0;

	if (p->count < POINTS_MIN) {
		ask_for_points(out, in, p);
		return 0;
	}
	if (is_too_small(out, in, p))
		return 0;
	if (p->load_spread > 0)
		rc = judge_under_load(out, in, p);
	else
		judge(out, in, p, p->y);
	out->shape = shape_of(out);
	out->confidence = confidence_of(out);
	if (out->class != TREND_GROWS)
		climb_ladder(out, in, p);
	return rc;
}

int trend_of(struct trend *out, const struct trend_series *in)
{
	static const struct figure unknown = { NAN, NAN, NAN };
	struct points p;
	int rc = points_of(&p, in);

	*out = (struct trend) {
		.class = TREND_UNDECIDED,
		.shape = SHAPE_FLAT,
		.slope = unknown,
		.per_second = unknown,
		.early = unknown,
		.late = unknown,
		.late_early = unknown,
		.p_value = 1,
		.period = 1,
		.more = NAN,
		.more_seconds = NAN,
	};
	if (rc)
		return rc;
	rc = judge_points(out, in, &p);
	points_free(&p);
	return rc;
}

const char *trend_class_name(enum trend_class class)
{
	static const char *const names[] = { "level", "fills", "grows",
					     "undecided" };

	return names[class];
}
