/*
 * verdict: see verdict.h.
 *
 *	1. each place (a line of code that asked for memory) has a level over
 *	   the requests; those that grow are findings, leak or growth by what
 *	   the reachability scan saw, or without one by whether anything was
 *	   ever given back
 *	2. mappings of a place, threads and descriptors likewise
 *	3. what all places hold together must be explained by those found, or
 *	   is a finding that has no place
 *	4. what the kernel counts and no block or mapping holds: retention
 *	5. what could not be decided and would matter makes the rest
 *	   inconclusive
 */
#include "profiler/analysis/verdict_state.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/fingerprint.h"
#include "profiler/analysis/traffic.h"
#include "profiler/base/err.h"
#include "profiler/model/model.h"

#define KIB 1024.0
#define MIB (1024.0 * 1024.0)

/* What is less is not worth anybody's time, whatever its p. */
#define RISE_MIN_EXACT	 KIB /* bytes, of one place over the recording */
#define RISE_MIN_SAMPLES 4   /* of the mean, where sampled */
#define RISE_MIN_MAPPED	 (64 * KIB)
#define UNDECIDED_MIN	 (256 * KIB) /* and UNDECIDED_SHARE of live bytes */
#define UNDECIDED_SHARE	 0.02

#define WINDOWS_MIN	8 /* to look for a trend in */
#define SECONDS_MIN	4
#define FALSE_ALARMS	1e-3 /* of a whole recording */
#define NEARLY_ALL	0.9  /* of the requests, or of what grew */
#define LOST_RISES	4    /* windows in which more was lost */
#define LOST_CONFIDENCE 0.99
/* Of what the last scan found, what the one before must have found, too.
 * Of a leak that goes on that is the time between them: 2, 8, 30, 90 s. */
#define DEFINITE_SHARE 0.1
#define NEVER_FREED    0.95 /* of the bytes that a leak's place allocates */
#define CHURN	       0.05 /* less of its bytes survive: they come and go */
#define MOSTLY_FREED   0.5  /* of what a place allocates lives on */
#define SECONDS_WANTED 30
#define HARDLY	       0.25 /* of the slope of the whole */
#define PAIRED	       0.25 /* of the pairs that both are on record */

static bool is_exact(const struct model *m)
{
	return !(m->mean_bytes > 0);
}

static double rise_min(const struct judging *j)
{
	return is_exact(j->m) ? RISE_MIN_EXACT
			      : RISE_MIN_SAMPLES * j->m->mean_bytes;
}

static bool may_grow(const double *y, uint32_t count, double least)
{
	return count >= WINDOWS_MIN && verdict_drift(y, count) > least / 4;
}

int verdict_trend(struct judging *j, const struct course *along,
		  const double *y, double per_byte, double least,
		  struct trend *out)
{
	double *x = j->scratch[0], *t = j->scratch[1], *level = j->scratch[2],
	       *variance = j->scratch[3];
	struct trend_series in = { .rise_min = least, .alpha = j->alpha };
	int rc;

	for (uint32_t i = 0; i < along->count; i++) {
		if (isnan(y[i]))
			continue;
		x[in.count] = along->x[i];
		t[in.count] = along->t[i];
		level[in.count] = y[i];
		variance[in.count++] = y[i] > 0 ? y[i] * per_byte : 0;
	}
	in.x = x;
	in.y = level;
	in.t = t;
	in.variance = per_byte > 0 ? variance : NULL;
	rc = trend_of(out, &in);
	/* What hardly rose in its second half fills, whatever its p. */
	if (rc == 0 && out->class == TREND_GROWS &&
	    out->shape != SHAPE_STAIRCASE &&
	    out->late.value < HARDLY * out->slope.value)
		out->class = TREND_FILLS;
	return rc;
}

/* The endpoint that nearly all requests are of, or NULL. */
static const struct model_endpoint *only_endpoint(const struct model *m)
{
	const struct model_endpoint *e = m->endpoints;

	if (!m->endpoint_count || !m->requests ||
	    (double)e->count < NEARLY_ALL * (double)m->requests)
		return NULL;
	return e;
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

static struct figure scaled(struct figure f, double by)
{
	return (struct figure) { f.value * by, f.low * by, f.high * by };
}

/* Its figures are per request of @e, where there is one. */
static void put_endpoint(struct judging *j, struct finding *f,
			 const struct model_endpoint *e, const struct trend *t)
{
	char name[512];

	if (!e || !e->count || !j->axis.by_requests)
		return;
	snprintf(name, sizeof(name), "%s %s", e->method, e->route);
	f->endpoint = verdict_string(j->out, name);
	f->bytes_per_request =
		scaled(t->slope, (double)j->m->requests / (double)e->count);
}

struct finding *verdict_add(struct judging *j, enum finding_class class,
			    const struct trend *t)
{
	struct finding *f = vec_push(&j->findings);
	const struct figure unknown = { NAN, NAN, NAN };

	if (!f)
		return NULL;
	f->class = class;
	f->confidence = t->confidence;
	f->node = MODEL_NONE;
	f->bytes_per_second = t->per_second;
	f->bytes_per_request = j->axis.by_requests ? t->slope : unknown;
	put_endpoint(j, f, only_endpoint(j->m), t);
	f->evidence.requests = j->axis.by_requests ? (uint64_t)t->x : 0;
	f->evidence.seconds = t->seconds;
	f->evidence.warmup_seconds = fmax(j->axis.seconds - t->seconds, 0);
	f->evidence.p_value = t->p_value;
	f->evidence.late_early = t->late_early.value;
	f->evidence.survivors = NAN;
	f->evidence.unreachable = NAN;
	f->evidence.shape = t->shape;
	return f;
}

void verdict_put_where(struct judging *j, struct finding *f, uint32_t node)
{
	const struct model_frame *frame;

	f->node = node;
	if (node == MODEL_NONE)
		return;
	frame = &j->m->frames[j->m->nodes[node].frame];
	f->function = frame->function;
	f->file = frame->file;
	f->module = frame->module;
	f->line = frame->line;
}

static void note_undecided(struct judging *j, const struct trend *t)
{
	j->undecided += t->rise > 0 ? t->rise : 0;
	if (t->more > j->more_x)
		j->more_x = t->more;
	if (t->more_seconds > j->more_seconds)
		j->more_seconds = t->more_seconds;
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

/* @p has gained again and again, through that share of the recording. */
static bool rises_on(const struct judging *j, const struct place *p,
		     double share)
{
	uint32_t rises = 0, first = 0, last = 0;

	for (uint32_t i = 1; i < j->axis.count; i++) {
		if (p->level[i] <= p->level[i - 1])
			continue;
		if (!rises++)
			first = i;
		last = i;
	}
	return rises >= LOST_RISES && last - first > share * j->axis.count;
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
	       survivors >= NEVER_FREED && rises_on(j, p, 1. / 2);
}

/* The same, seen once, or beside others of the place that are freed: too little
 * to say that it leaks, too much to say that nothing does. */
static bool lost_perhaps(const struct judging *j, const struct place *p)
{
	return p->unreachable > 0 && p->unreachable >= p->live / 2 &&
	       rises_on(j, p, 1. / 3);
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
			       rise_min(j), &other);

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

static int judge_place(struct judging *j, const struct place *p)
{
	double survivors = p->born > 0 ? fmin(p->kept / p->born, 1) : 1;
	bool churns = false;
	struct finding *f;
	struct trend t;
	int rc = verdict_trend(j, &j->windows, p->level,
			       is_exact(j->m) ? 0 : p->variance_per_byte,
			       rise_min(j), &t);

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
		j->at_work += t.slope.value;
		t.class = TREND_UNDECIDED;
	}
	if (t.class == TREND_UNDECIDED) {
		note_undecided(j, &t);
		return 0;
	}
	f = verdict_add(j, class_of(p, t.rise, survivors), &t);
	if (!f)
		return -ENOMEM;
	verdict_put_where(j, f, p->node);
	put_endpoint(j, f, endpoint_of(j->m, p), &t);
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

static int judge_places(struct judging *j)
{
	const struct place *p;
	size_t looked_at = 0;
	int rc = 0;

	vec_foreach (&j->places.list, p)
		looked_at += may_grow(p->level, j->axis.count, rise_min(j));
	j->alpha = FALSE_ALARMS / (double)(looked_at + 4);
	vec_foreach (&j->places.list, p) {
		if (rc == 0 && may_grow(p->level, j->axis.count, rise_min(j)))
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

/* All places together: what grows must be among those found. */
static int judge_total(struct judging *j)
{
	struct finding *f;
	struct trend t;
	int rc = verdict_trend(j, &j->windows, j->places.total, 0, rise_min(j),
			       &t);

	if (rc < 0)
		return rc;
	j->out->bound = t.class == TREND_FILLS ? t.late.value : t.slope.high;
	rc = refine_moved(j, &t);
	if (rc < 0)
		return rc;
	if (t.class != TREND_GROWS || may_have_ended(&t) ||
	    j->explained + j->at_work >
		    (t.slope.value - t.slope.low) + t.slope.value / 2)
		return 0;
	if (j->findings.count || !is_exact(j->m)) {
		j->undecided += t.rise;
		return 0;
	}
	f = verdict_add(j, FINDING_GROWTH, &t);
	return f ? 0 : -ENOMEM;
}

static void put_shares(struct judging *j)
{
	double rss = j->out->verdict.growth.rss;
	struct finding *f;

	vec_foreach (&j->findings, f) {
		double grew = f->bytes_per_second.value * f->evidence.seconds;
		bool bytes =
			f->class != FINDING_THREADS && f->class != FINDING_FDS;

		f->evidence.share =
			rss > 0 && bytes ? fmin(grew / rss, 1) : NAN;
	}
}

static int by_weight(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->bytes_per_second.value != y->bytes_per_second.value)
		return x->bytes_per_second.value > y->bytes_per_second.value
			       ? -1
			       : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static int judge(struct judging *j)
{
	int rc = judge_places(j);

	if (rc == 0)
		rc = judge_total(j);
	if (rc == 0)
		rc = judge_mappings(j);
	if (rc == 0)
		rc = judge_ledger(j);
	if (rc < 0)
		return rc;
	refine_threads(j);
	refine_lines(j);
	put_shares(j);
	if (j->findings.count)
		qsort(j->findings.at, j->findings.count,
		      sizeof(*j->findings.at), by_weight);
	return 0;
}

static bool undecided_matters(const struct judging *j)
{
	double live = j->m->totals.live.bytes;

	return j->suspected ||
	       j->undecided > fmax(fmax(UNDECIDED_MIN, 2 * rise_min(j)),
				   UNDECIDED_SHARE * live);
}

/* What is missing where the data does not bear a verdict. */
static void put_needs(struct judging *j)
{
	struct verdict *v = &j->out->verdict;
	double per_second =
		j->axis.seconds > 0 ? j->axis.x_total / j->axis.seconds : 0;

	v->needs.requests = v->needs.seconds = NAN;
	if (j->m->headless)
		return;
	if (j->out->too_short) {
		v->needs.seconds = SECONDS_WANTED - j->axis.seconds;
		if (!(v->needs.seconds >= 1))
			v->needs.seconds = 1;
	} else if (undecided_matters(j)) {
		v->needs.seconds =
			j->more_seconds > 0 ? j->more_seconds : j->axis.seconds;
	} else {
		return;
	}
	if (j->axis.by_requests)
		v->needs.requests = j->more_x > 0
					    ? j->more_x
					    : v->needs.seconds * per_second;
}

static int finish(struct judging *j)
{
	struct owned_verdict *o = j->out;
	uint64_t *prints = fingerprints_of(j->m);
	int rc = prints ? 0 : -ENOMEM;

	put_needs(j);
	o->by_requests = j->axis.by_requests;
	o->requests = j->axis.by_requests ? j->axis.x_total : 0;
	o->seconds = j->axis.seconds;
	o->verdict.findings = j->findings.at;
	o->verdict.finding_count = j->findings.count;
	j->findings.at = NULL;
	for (size_t i = 0; i < o->verdict.finding_count && rc == 0; i++) {
		struct finding *f = &o->verdict.findings[i];

		fingerprint_text(
			f->fingerprint,
			f->node == MODEL_NONE ? f->class : prints[f->node]);
		rc = finding_objects(o, f);
		if (rc == 0)
			rc = sentence_of_finding(o, f);
	}
	free(prints);
	return rc == 0 ? verdict_settle(&o->verdict) : rc;
}

static int judging_init(struct judging *j, const struct model *m)
{
	int rc = axis_init(&j->axis, m);

	j->m = m;
	if (rc == 0)
		rc = places_init(&j->places, m, &j->axis);
	if (rc == 0)
		rc = tide_init(&j->tide, m, &j->axis);
	j->windows = (struct course) { j->axis.x, j->axis.t, j->axis.count };
	j->readings = (struct course) { j->tide.x, j->tide.t, j->tide.count };
	for (int i = 0; i < 4 && rc == 0; i++) {
		j->scratch[i] =
			calloc((size_t)j->axis.count + j->tide.count + 1,
			       sizeof(double));
		if (!j->scratch[i])
			rc = -ENOMEM;
	}
	j->gained = calloc((size_t)j->axis.count + 1, sizeof(*j->gained));
	j->both = calloc((size_t)j->axis.count + 1, sizeof(*j->both));
	return rc == 0 && (!j->gained || !j->both) ? -ENOMEM : rc;
}

static void judging_fini(struct judging *j)
{
	axis_fini(&j->axis);
	places_fini(&j->places);
	tide_fini(&j->tide);
	vec_free(&j->findings);
	free(j->gained);
	free(j->both);
	for (int i = 0; i < 4; i++)
		free(j->scratch[i]);
}

int verdict_of(struct verdict **out, const struct model *m, struct err *err)
{
	struct judging j = { .out = calloc(1, sizeof(*j.out)) };
	int rc = -ENOMEM;

	*out = NULL;
	if (!j.out)
		return err_set(err, rc, "out of memory");
	j.out->model = m;
	j.out->bound = NAN;
	rc = judging_init(&j, m);
	if (rc == 0) {
		j.out->too_short = j.axis.count < WINDOWS_MIN ||
				   j.axis.seconds < SECONDS_MIN;
		rc = j.out->too_short || m->headless ? 0 : judge(&j);
	}
	if (rc == 0)
		rc = finish(&j);
	judging_fini(&j);
	if (rc < 0) {
		verdict_free(&j.out->verdict);
		return err_set(err, rc, "out of memory judging %s", m->name);
	}
	*out = &j.out->verdict;
	return 0;
}

int verdict_settle(struct verdict *v)
{
	const struct model *m = ((struct owned_verdict *)v)->model;
	bool needs = !isnan(v->needs.seconds) || !isnan(v->needs.requests) ||
		     m->headless;

	v->class = needs ? FINDING_INCONCLUSIVE : FINDING_CLEAN;
	v->confidence = needs ? 0 : 0.99;
	for (size_t i = v->finding_count; i-- > 0;) {
		const struct finding *f = &v->findings[i];

		if (f->suppressed || f->class > v->class)
			continue;
		v->class = f->class;
		v->confidence = f->confidence;
	}
	return sentence_of_verdict((struct owned_verdict *)v);
}

void verdict_free(struct verdict *v)
{
	struct owned_verdict *o = (struct owned_verdict *)v;
	char **string;

	if (!v)
		return;
	vec_foreach (&o->strings, string)
		free(*string);
	vec_free(&o->strings);
	free(v->findings);
	free(o);
}

const char *verdict_string(struct owned_verdict *v, const char *text)
{
	char **slot = vec_push(&v->strings);

	if (!slot)
		return NULL;
	*slot = strdup(text);
	return *slot;
}

const char *finding_class_name(enum finding_class class)
{
	static const char *const names[FINDING_CLASSES] = {
		[FINDING_LEAK] = "leak",
		[FINDING_GROWTH] = "growth",
		[FINDING_MAPPINGS] = "mappings",
		[FINDING_THREADS] = "threads",
		[FINDING_FDS] = "fds",
		[FINDING_RETENTION] = "retention",
		[FINDING_INCONCLUSIVE] = "inconclusive",
		[FINDING_CLEAN] = "clean",
	};

	return names[class];
}

const char *finding_shape_name(enum finding_shape shape)
{
	static const char *const names[] = {
		[SHAPE_FLAT] = "flat",		 [SHAPE_LINEAR] = "linear",
		[SHAPE_CONCAVE] = "concave",	 [SHAPE_PLATEAU] = "plateau",
		[SHAPE_STAIRCASE] = "staircase", [SHAPE_SAWTOOTH] = "sawtooth",
	};

	return names[shape];
}
