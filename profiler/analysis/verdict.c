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
#include "profiler/base/err.h"
#include "profiler/model/model.h"

#define KIB 1024.0

/* What is less is not worth anybody's time, whatever its p. */
#define RISE_MIN_EXACT	 KIB /* bytes, of one place over the recording */
#define RISE_MIN_SAMPLES 4   /* of the mean, where sampled */
#define UNDECIDED_MIN	 (256 * KIB) /* and UNDECIDED_SHARE of live bytes */
#define UNDECIDED_SHARE	 0.02

#define SECONDS_MIN 4
#define NEARLY_ALL  0.9	 /* of the requests */
#define HARDLY	    0.25 /* of the slope of the whole */

double verdict_rise_min(const struct judging *j)
{
	double mean = j->m->mean_bytes;

	return mean > 0 ? RISE_MIN_SAMPLES * mean : RISE_MIN_EXACT;
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

static struct figure scaled(struct figure f, double by)
{
	return (struct figure) { f.value * by, f.low * by, f.high * by };
}

/* Its figures are per request of @e, where there is one. */
void verdict_put_endpoint(struct judging *j, struct finding *f,
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
	verdict_put_endpoint(j, f, only_endpoint(j->m), t);
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
	struct finding *f;
	int rc = j->out->unseen ? 0 : judge_places(j);

	if (rc == 0)
		rc = judge_ledger(j);
	if (rc < 0)
		return rc;
	rc = refine_threads(j);
	vec_foreach (&j->findings, f)
		if (rc == 0)
			rc = finding_objects(j->out, f);
	if (rc < 0)
		return rc;
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
	       j->undecided > fmax(fmax(UNDECIDED_MIN, 2 * verdict_rise_min(j)),
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
	/* Pages come and go by more than blocks do. */
	if (j->out->unseen && !j->findings.count &&
	    j->axis.seconds < VERDICT_SECONDS_WANTED)
		j->out->too_short = true;
	if (j->out->too_short) {
		v->needs.seconds = VERDICT_SECONDS_WANTED - j->axis.seconds;
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
	j.out->unseen = !model_sees_heap(m);
	rc = judging_init(&j, m);
	if (rc == 0) {
		j.out->too_short = j.axis.count < VERDICT_WINDOWS_MIN ||
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
		     m->headless || m->heap_off;

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
