/*
 * judge_places: what the lines of code that ask for memory show to grow: the
 * blocks of a place, all blocks together, and mappings.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "profiler/analysis/traffic.h"
#include "profiler/analysis/verdict_state.h"
#include "profiler/model/model.h"

#define RISE_MIN_MAPPED (64 * 1024.0)
#define FALSE_ALARMS	1e-3 /* of a whole recording */
#define NEARLY_ALL	0.9  /* of what grew */
#define LOST_RISES	4    /* windows in which more was lost */
#define LOST_TWICE	2    /* the same, where two scans saw some of it */
#define KEPT_RISES	6    /* the same, of what is still referred to */
#define LOST_CONFIDENCE 0.99
/* Of what the last scan found, what the one before must have found, too.
 * Of a leak that goes on that is the time between them: 2, 8, 30, 90 s,
 * or up to eight times as old each time (cmd/rota.h). */
#define DEFINITE_SHARE 0.1
#define NEVER_FREED    0.95 /* of the bytes that a leak's place allocates */
#define CHURN	       0.05 /* less of its bytes survive: they come and go */
#define MOSTLY_FREED   0.5  /* of what a place allocates lives on */
#define GLIMPSE_BYTES  (64 * 1024.0)
#define GLIMPSE_BLOCKS 128
#define PAIRED	       0.25 /* of the pairs that both are on record */

static bool may_grow(const double *y, uint32_t count, double least)
{
	return count >= VERDICT_WINDOWS_MIN &&
	       verdict_drift(y, count) > least / 4;
}

/* The endpoint for whose requests @p grew, or NULL. */
static const struct model_endpoint *endpoint_of(const struct model *m,
						const struct place *p)
{
	if (!p->route || p->grew_for_route < NEARLY_ALL * p->grew)
		return NULL;
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		const struct model_endpoint *e = &m->endpoints[i];
		size_t len = strlen(e->method);

		if (!strncmp(p->route, e->method, len) &&
		    p->route[len] == ' ' &&
		    !strcmp(p->route + len + 1, e->route))
			return e;
	}
	return NULL;
}

static void note_undecided(struct judging *j, const struct trend *t)
{
	j->undecided += t->rise > 0 ? t->rise : 0;
	if (t->more > j->more_x)
		j->more_x = t->more;
	if (t->more_seconds > j->more_seconds)
		j->more_seconds = t->more_seconds;
}

static bool is_exact(const struct model *m)
{
	return !(m->mean_bytes > 0);
}

/* How likely a block of @p that lives is on record. */
static double chance_of(const struct place *p)
{
	return p->blocks > 0 ? p->blocks / (p->blocks + p->blocks_variance) : 1;
}

/*
 * Where blocks are sampled, those that are not on record count as roots, so
 * that of blocks that refer to each other only those show as unreachable whose
 * neighbours are on record too.
 */
static bool is_unreachable(const struct place *p, double rise)
{
	double chance = chance_of(p);

	if (p->unreachable > fmin(rise, p->live) / 2)
		return true;
	return chance < 1 && p->twice > 0 &&
	       p->unreachable > PAIRED * chance * p->live;
}

/*
 * Unreachable is leaked.  Where no scan was made, what is never given back is
 * called so: a program that means to keep something mostly replaces some of it
 * now and then.
 */
static enum finding_class class_of(const struct place *p, double rise,
				   double survivors)
{
	if (p->unreachable >= 0)
		return is_unreachable(p, rise) ? FINDING_LEAK : FINDING_GROWTH;
	return survivors >= NEVER_FREED ? FINDING_LEAK : FINDING_GROWTH;
}

/* @p has gained @least times, through that share of the recording. */
static bool rises_on(const struct judging *j, const struct place *p,
		     uint32_t least, double share)
{
	uint32_t rises = 0, first = 0, last = 0;

	for (uint32_t i = 1; i < j->axis.count; i++) {
		if (p->level[i] <= p->level[i - 1])
			continue;
		if (!rises++)
			first = i;
		last = i;
	}
	return rises >= least && last - first > share * j->axis.count;
}

/*
 * Blocks that two scans found unreachable, born again and again through most
 * of the recording and never freed, are leaked, however few samples there are
 * for a trend: a handful of them says so, and only how much is uncertain.
 */
static bool lost_steadily(const struct judging *j, const struct place *p,
			  double survivors)
{
	return p->twice > 0 && p->unreachable >= p->live / 2 &&
	       survivors >= NEVER_FREED && rises_on(j, p, LOST_RISES, 1. / 2);
}

/*
 * The same, seen once, or of fewer samples, or beside others of the place that
 * are freed: too little to say that it leaks, too much to say that nothing
 * does.
 */
static bool lost_perhaps(const struct judging *j, const struct place *p)
{
	if (!(p->unreachable > 0) || p->unreachable < p->live / 2)
		return false;
	return rises_on(j, p, LOST_RISES, 1. / 3) ||
	       (!is_exact(j->m) && p->twice > 0 &&
		rises_on(j, p, LOST_TWICE, 1. / 8));
}

/*
 * Of few samples, but all of them are still there, and there were more and
 * more until the end: too much to say that nothing grows, however much else
 * the server holds.
 */
static bool kept_steadily(const struct judging *j, const struct place *p,
			  double survivors)
{
	return !is_exact(j->m) && survivors >= NEVER_FREED &&
	       rises_on(j, p, KEPT_RISES, 1. / 2);
}

/* By how much it grew, without a trend to say so. */
static void put_plain_growth(const struct judging *j, const struct place *p,
			     struct trend *t)
{
	uint32_t last = j->axis.count - 1;
	double per_byte = is_exact(j->m) ? 0 : p->variance_per_byte;
	struct figure grew =
		estimate_growth(p->level[0], p->level[0] * per_byte,
				p->level[last], p->level[last] * per_byte);

	t->class = TREND_GROWS;
	t->shape = SHAPE_LINEAR;
	t->confidence = LOST_CONFIDENCE;
	t->slope = estimate_per(grew, j->axis.x_total);
	t->per_second = estimate_per(grew, j->axis.seconds);
	t->rise = grew.value;
	t->cut = 0;
	t->x = j->axis.x_total;
	t->seconds = j->axis.seconds;
}

/*
 * What was steep and may have ended: its second half alone shows no growth.
 * So rises the least that many sawtooths leave together, which began as one
 * and have lost step since.
 */
static bool may_have_ended(const struct trend *t)
{
	return t->class == TREND_GROWS && t->shape != SHAPE_STAIRCASE &&
	       t->late.low < 0 && t->late.value < t->early.value / 2;
}

/* @y does not rise half as steep as @t does. */
static int is_flatter(struct judging *j, const struct place *p, const double *y,
		      const struct trend *t, bool *is)
{
	struct trend other;
	int rc = verdict_trend(j, &j->windows, y,
			       is_exact(j->m) ? 0 : p->variance_per_byte,
			       verdict_rise_min(j), &other);

	*is = rc == 0 && other.slope.high < t->slope.value / 2;
	return rc;
}

/*
 * A place most of whose blocks come and go may look as if it grew: when it
 * falls out of step, so that the least of it rises and the mean does not; or
 * where its blocks live about as long as a window.  How many of those are
 * older than one depends on the load, which may have changed; what grows is
 * more memory, of whatever age.
 */
static int only_churns(struct judging *j, const struct place *p,
		       const struct trend *t, bool *churns)
{
	int rc = 0;

	*churns = may_have_ended(t);
	if (!*churns)
		rc = is_flatter(j, p, p->low, t, churns);
	if (rc == 0 && !*churns)
		rc = is_flatter(j, p, p->end, t, churns);
	return rc;
}

/*
 * Requests that are being answered hold memory, more of it where more come or
 * each takes longer.  What @p has gained is no more than that, if it goes to
 * one endpoint and most of it comes and goes.
 */
static bool may_be_at_work(const struct judging *j, const struct place *p,
			   const struct trend *t, double survivors)
{
	const struct model_endpoint *e = endpoint_of(j->m, p);
	double at_once;

	if (!e || !e->count || survivors > MOSTLY_FREED)
		return false;
	at_once = traffic_at_once(j->m, e);
	at_once += 3 * sqrt(at_once); /* they come by chance */
	return t->rise < at_once * p->allocated / (double)e->count;
}

/*
 * A handful of blocks that something still refers to, gained in a run shorter
 * than one wants: any cache begins so.
 */
static bool is_glimpse(const struct judging *j, const struct place *p,
		       const struct trend *t)
{
	return j->axis.seconds < VERDICT_SECONDS_WANTED &&
	       t->rise < GLIMPSE_BYTES &&
	       t->rise * (double)p->samples < GLIMPSE_BLOCKS * p->allocated;
}

static int judge_place(struct judging *j, const struct place *p)
{
	double survivors = p->born > 0 ? fmin(p->kept / p->born, 1) : 1;
	bool churns = false;
	enum finding_class class;
	struct finding *f;
	struct trend t;
	int rc = verdict_trend(j, &j->windows, p->level,
			       is_exact(j->m) ? 0 : p->variance_per_byte,
			       verdict_rise_min(j), &t);

	if (rc < 0)
		return rc;
	if (t.class != TREND_GROWS && lost_steadily(j, p, survivors))
		put_plain_growth(j, p, &t);
	if (t.class != TREND_GROWS)
		j->suspected |= lost_perhaps(j, p);
	if (t.class != TREND_GROWS && t.class != TREND_UNDECIDED)
		return 0;
	if (survivors < CHURN) {
		rc = only_churns(j, p, &t, &churns);
		if (rc < 0 || churns)
			return rc;
	}
	if (t.class == TREND_GROWS && may_be_at_work(j, p, &t, survivors)) {
		j->unsure += t.slope.value;
		t.class = TREND_UNDECIDED;
	}
	class = class_of(p, t.rise, survivors);
	if (t.class == TREND_GROWS && class == FINDING_GROWTH &&
	    is_glimpse(j, p, &t)) {
		j->unsure += t.slope.value;
		t.class = TREND_UNDECIDED;
	}
	if (t.class == TREND_UNDECIDED) {
		note_undecided(j, &t);
		j->suspected |= kept_steadily(j, p, survivors);
		return 0;
	}
	f = verdict_add(j, class, &t);
	if (!f)
		return -ENOMEM;
	verdict_put_where(j, f, p->node);
	verdict_put_endpoint(j, f, endpoint_of(j->m, p), &t);
	f->evidence.samples = p->samples;
	f->evidence.survivors = fmax(survivors, 0);
	if (p->unreachable >= 0) {
		f->evidence.unreachable = p->unreachable;
		f->evidence.definite =
			p->twice > DEFINITE_SHARE * p->unreachable;
	}
	j->explained += t.slope.value;
	refine_note_gain(j, f, p);
	return 0;
}

static int judge_mapping(struct judging *j, const struct place *p)
{
	struct finding *f;
	struct trend t;
	int rc;

	if (!p->mapping ||
	    !may_grow(p->mapping, j->axis.count, RISE_MIN_MAPPED))
		return 0;
	rc = verdict_trend(j, &j->windows, p->mapping, 0, RISE_MIN_MAPPED, &t);
	if (rc == 0 && t.class == TREND_UNDECIDED)
		note_undecided(j, &t);
	if (rc < 0 || t.class != TREND_GROWS)
		return rc;
	f = verdict_add(j, FINDING_MAPPINGS, &t);
	if (!f)
		return -ENOMEM;
	verdict_put_where(j, f, p->node);
	f->evidence.samples = p->samples;
	return 0;
}

static int judge_blocks(struct judging *j)
{
	const struct place *p;
	size_t looked_at = 0;
	int rc = 0;

	vec_foreach (&j->places.list, p)
		looked_at +=
			may_grow(p->level, j->axis.count, verdict_rise_min(j));
	j->alpha = FALSE_ALARMS / (double)(looked_at + 4);
	vec_foreach (&j->places.list, p) {
		if (rc == 0 &&
		    may_grow(p->level, j->axis.count, verdict_rise_min(j)))
			rc = judge_place(j, p);
	}
	return rc;
}

static int judge_mappings(struct judging *j)
{
	const struct place *p;
	int rc = 0;

	vec_foreach (&j->places.list, p)
		if (rc == 0)
			rc = judge_mapping(j, p);
	return rc;
}

/*
 * What was kept comes to three sampling means before a sample of it is as good
 * as sure (e^-3 is missed): no growth below that is ruled out.
 */
static double least_seen(const struct judging *j)
{
	return 3 * j->m->mean_bytes / j->axis.x_total;
}

/* All places together: what grows must be among those found. */
static int judge_total(struct judging *j)
{
	struct finding *f;
	struct trend t;
	int rc = verdict_trend(j, &j->windows, j->places.total, 0,
			       verdict_rise_min(j), &t);

	if (rc < 0)
		return rc;
	j->out->bound = t.class == TREND_FILLS ? t.late.value : t.slope.high;
	if (!is_exact(j->m) && j->out->bound < least_seen(j))
		j->out->bound = least_seen(j);
	rc = refine_moved(j, &t);
	if (rc < 0)
		return rc;
	if (t.class != TREND_GROWS || may_have_ended(&t) ||
	    j->explained + j->unsure >
		    (t.slope.value - t.slope.low) + t.slope.value / 2)
		return 0;
	if (j->findings.count || !is_exact(j->m)) {
		j->undecided += t.rise;
		return 0;
	}
	f = verdict_add(j, FINDING_GROWTH, &t);
	return f ? 0 : -ENOMEM;
}

int judge_places(struct judging *j)
{
	int rc = judge_blocks(j);

	if (rc == 0)
		rc = judge_total(j);
	return rc == 0 ? judge_mappings(j) : rc;
}
