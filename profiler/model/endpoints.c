/*
 * endpoints: the requests of all processes, by method and route.
 *
 * Histograms of the processes are merged before anything is read from them,
 * so percentiles are those of all requests.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/latency/histo.h"
#include "profiler/model/build.h"
#include "profiler/model/kept.h"

#define PERCENTILE_TICKS 5 /* lines for each halving of the rest up to 100 */
#define UNKNOWN_ROUTE	 "_OTHER _OTHER"

struct entry {
	const char *text; /* interned: equal routes have equal addresses */
	uint64_t count, errors, cut, streamed, alone;
	uint64_t status[6];
	struct histo *took, *ttfb, *queue, *gap;
	double allocated_bytes, allocated_count;
	double kept_bytes, kept_variance; /* by all of its requests */
	uint64_t peak_count;
	double peak_sum, peak_most;
	bool charged; /* allocations were seen within such requests */
	bool by_handler;
	double *windows;
	double *mean_ms, *max_ms; /* sums of ms until all is added */
	double *timed;		  /* how many of them */
	struct build_course course;
};

struct table {
	struct model *m;
	double judged, waiting, clients, cycles; /* arrivals, of the load */
	VEC(struct entry) at;
	struct hash *by_text;
};

static struct entry *entry_of(struct table *t, const char *text)
{
	const char *kept = model_string(t->m, text);
	uint64_t *found;
	struct entry *e;

	if (!kept)
		return NULL;
	found = hash_find(t->by_text, (uint64_t)(uintptr_t)kept);
	if (found)
		return &t->at.at[*found];
	e = vec_push(&t->at);
	if (!e || hash_set(t->by_text, (uint64_t)(uintptr_t)kept,
			   t->at.count - 1) < 0)
		return NULL;
	e->text = kept;
	e->took = histo_new();
	e->ttfb = histo_new();
	e->queue = histo_new();
	e->gap = histo_new();
	e->windows = calloc(t->m->window_count + 1, sizeof(*e->windows));
	e->mean_ms = calloc(t->m->window_count + 1, sizeof(*e->mean_ms));
	e->max_ms = calloc(t->m->window_count + 1, sizeof(*e->max_ms));
	e->timed = calloc(t->m->window_count + 1, sizeof(*e->timed));
	if (!e->took || !e->ttfb || !e->queue || !e->gap || !e->windows ||
	    !e->mean_ms || !e->max_ms || !e->timed)
		return NULL;
	return e;
}

const char *build_route(const struct trace_image *im, uint32_t id)
{
	for (size_t i = 0; id && i < im->route_count; i++)
		if (im->routes[i].id == id)
			return im->routes[i].text;
	return UNKNOWN_ROUTE;
}

static int merge(struct histo *into, const struct histo *from)
{
	return from ? histo_merge(into, from) : 0;
}

static void add_window(struct entry *e, uint32_t to, const struct fold_route *r,
		       size_t from)
{
	const struct fold_timed *timed = &r->timed[from];

	e->windows[to] += (double)r->windows[from];
	e->timed[to] += (double)timed->count;
	e->mean_ms[to] += (double)timed->sum_ns / 1e6;
	e->max_ms[to] = fmax(e->max_ms[to], (double)timed->most_ns / 1e6);
}

/* What a process that records itself knows of its requests' memory. */
static void add_held(struct entry *e, const struct fold_route *r,
		     const struct kept *kept)
{
	e->alone += r->alone;
	e->peak_count += r->peak_count;
	e->peak_sum += r->peak_sum;
	e->peak_most = fmax(e->peak_most, r->peak_most);
	e->kept_bytes += kept->bytes_per_request * (double)r->count;
	e->kept_variance +=
		kept->variance * (double)r->count * (double)r->count;
}

/* How many they were, how they ended and what time they took. */
static int add_times(struct table *t, const struct trace_view *v,
		     const struct trace_image *im, const struct fold_route *r,
		     struct entry *e)
{
	e->count += r->count;
	e->errors += r->errors;
	e->cut += r->cut;
	e->streamed += r->streamed;
	for (int i = 0; i < 6; i++)
		e->status[i] += r->status[i];
	for (size_t k = 0; k < im->result.window_count; k++)
		add_window(e, build_fold_window(t->m, v, &im->result, k), r, k);
	return build_course_add(&e->course, t->m, v, &im->result, r) < 0 ||
			       merge(e->took, r->took) < 0 ||
			       merge(e->ttfb, r->ttfb) < 0 ||
			       merge(e->queue, r->queue) < 0 ||
			       merge(e->gap, r->gap) < 0
		       ? -ENOMEM
		       : 0;
}

/*
 * A process can be seen twice: by the shim within it and by the kernel.  Each
 * request is counted once, as the kernel saw it, which knows when its bytes
 * came.
 */
bool build_timed_by_kernel(const struct trace_view *v,
			   const struct trace_image *im)
{
	for (size_t i = 0; i < v->image_count && !im->probed; i++)
		if (v->images[i].probed && v->images[i].result.route_count &&
		    v->images[i].header.pid == im->header.pid)
			return true;
	return false;
}

static int add_route(struct table *t, const struct trace_view *v,
		     const struct trace_image *im, const struct fold_route *r,
		     const struct kept *kept)
{
	struct entry *e = entry_of(t, build_route(im, r->route));

	if (!e)
		return -ENOMEM;
	add_held(e, r, kept);
	if (build_timed_by_kernel(v, im))
		return 0;
	t->m->requests_by_kernel |= im->probed;
	t->m->requests_by_shim |= !im->probed;
	return add_times(t, v, im, r, e);
}

/* What was allocated by threads that were at a request of the route. */
static int add_memory(struct table *t, const struct trace_image *im)
{
	for (size_t i = 0; i < im->result.stack_count; i++) {
		const struct fold_stack *s = &im->result.stacks[i];
		struct entry *e;

		if (!s->route)
			continue;
		e = entry_of(t, build_route(im, s->route));
		if (!e)
			return -ENOMEM;
		e->charged = true;
		e->by_handler |= s->by_handler;
		e->allocated_bytes += s->allocated.bytes;
		e->allocated_count += s->allocated.count;
	}
	return 0;
}

static void add_load(struct table *t, const struct fold_load *l)
{
	t->judged += l->judged;
	if (l->kind != LOAD_CLOSED)
		return;
	t->waiting += l->judged;
	t->clients += l->clients;
	t->cycles += l->cycle_ns * l->judged;
}

static void fill_load(struct table *t)
{
	struct model *m = t->m;

	if (!(t->judged > 0))
		return;
	m->load.kind = MODEL_LOAD_OPEN;
	if (t->waiting * 2 <= t->judged)
		return;
	m->load.kind = MODEL_LOAD_CLOSED;
	m->load.clients = t->clients;
	m->load.interval_ms = t->cycles / t->waiting / 1e6;
}

static int add_image(struct table *t, const struct trace_view *v,
		     const struct trace_image *im)
{
	struct kept *kept = calloc(im->result.route_count + 1, sizeof(*kept));
	int rc = kept ? kept_measure(&im->result, kept) : -ENOMEM;

	for (size_t i = 0; i < im->result.route_count && rc == 0; i++)
		rc = add_route(t, v, im, &im->result.routes[i], &kept[i]);
	free(kept);
	if (build_timed_by_kernel(v, im))
		return rc == 0 ? add_memory(t, im) : rc;
	for (size_t k = 0; k < im->result.window_count; k++) {
		const struct fold_window *from = &im->result.windows[k];
		struct model_window *to =
			&t->m->windows[build_fold_window(t->m, v, &im->result,
							 k)];

		to->requests += (double)from->requests;
		to->errors += (double)from->errors;
	}
	if (im->result.load.kind != LOAD_UNKNOWN)
		add_load(t, &im->result.load);
	t->m->connections += im->header.stats.connections;
	t->m->foreign += im->header.stats.foreign;
	t->m->sealed += im->header.stats.sealed;
	return rc == 0 ? add_memory(t, im) : rc;
}

static double quantile_ms(const struct histo *h, double q)
{
	return histo_count(h) ? (double)histo_quantile(h, q) / 1e6 : NAN;
}

static void fill_memory(struct model_endpoint *to, const struct entry *e)
{
	double n = (double)e->count;

	to->alloc_bytes_per_request = NAN;
	to->alloc_objects_per_request = NAN;
	to->retained_bytes_per_request = NAN;
	to->retained_margin = NAN;
	to->peak_bytes_per_request = NAN;
	to->peak_bytes_most = NAN;
	if (e->peak_count) {
		to->peak_bytes_per_request =
			e->peak_sum / (double)e->peak_count;
		to->peak_bytes_most = e->peak_most;
	}
	if (!e->count || (!e->charged && !e->alone))
		return;
	to->alloc_bytes_per_request = e->allocated_bytes / n;
	to->alloc_objects_per_request = e->allocated_count / n;
	to->retained_bytes_per_request = e->kept_bytes / n;
	to->retained_margin = 1.96 * sqrt(e->kept_variance) / n;
}

static void fill_windows(const struct model *m, struct model_endpoint *to,
			 struct entry *e)
{
	for (uint32_t w = 0; w < m->window_count; w++) {
		if (e->timed[w] > 0) {
			e->mean_ms[w] /= e->timed[w];
		} else {
			e->mean_ms[w] = NAN;
			e->max_ms[w] = NAN;
		}
	}
	to->windows = e->windows;
	to->window_mean_ms = e->mean_ms;
	to->window_max_ms = e->max_ms;
	e->windows = e->mean_ms = e->max_ms = NULL;
}

/* NULL: of none, or no memory for it. */
static const char *percentiles(struct model *m, const struct histo *h)
{
	struct buf text = BUF_INIT;
	const char *kept = NULL;

	if (!histo_count(h))
		return NULL;
	histo_percentiles(h, PERCENTILE_TICKS, &text);
	if (buf_status(&text) == 0)
		kept = model_string(m, text.bytes);
	buf_free(&text);
	return kept;
}

/*
 * Gil Tene's correction: where an answer took longer than the client's usual
 * interval, the requests that it would have sent meanwhile are added, each of
 * which would have waited until the same moment (HdrHistogram,
 * copyCorrectedForCoordinatedOmission).  A route that is always slower than
 * that is not corrected for being what it is.
 */
static int fill_corrected(const struct model *m, struct model_endpoint *to,
			  const struct entry *e)
{
	double interval = fmax(m->load.interval_ms, to->p50_ms) * 1e6;
	struct histo *all;
	int rc;

	if (m->load.kind != MODEL_LOAD_CLOSED || !(interval >= 1))
		return 0;
	all = histo_new();
	if (!all)
		return -ENOMEM;
	rc = histo_add_corrected(all, e->took, (uint64_t)interval);
	if (rc == 0) {
		to->corrected.p50_ms = quantile_ms(all, 0.50);
		to->corrected.p95_ms = quantile_ms(all, 0.95);
		to->corrected.p99_ms = quantile_ms(all, 0.99);
	}
	histo_free(all);
	return rc;
}

static int fill_endpoint(struct model *m, struct model_endpoint *to,
			 struct entry *e)
{
	size_t word = strcspn(e->text, " ");
	struct model_moment *course;
	char method[64];
	int rc;

	if (word >= sizeof(method))
		word = sizeof(method) - 1;
	memcpy(method, e->text, word);
	method[word] = '\0';
	*to = (struct model_endpoint) {
		.method = model_string(m, method),
		.route = e->text + word + (e->text[word] == ' '),
		.count = e->count,
		.errors = e->errors,
		.cut = e->cut,
		.streamed = e->streamed,
		.alone = e->alone,
		.by_handler = e->by_handler,
		.p50_ms = quantile_ms(e->took, 0.50),
		.p95_ms = quantile_ms(e->took, 0.95),
		.p99_ms = quantile_ms(e->took, 0.99),
		.max_ms = quantile_ms(e->took, 1),
		.ttfb_p50_ms = quantile_ms(e->ttfb, 0.50),
		.ttfb_p95_ms = quantile_ms(e->ttfb, 0.95),
		.gap_p95_ms = quantile_ms(e->gap, 0.95),
		.queue_p95_ms = quantile_ms(e->queue, 0.95),
		.percentiles = percentiles(m, e->took),
	};
	memcpy(to->status, e->status, sizeof(to->status));
	fill_memory(to, e);
	fill_windows(m, to, e);
	rc = build_course(&course, m, &e->course);
	to->course = course;
	if (rc < 0 || !to->method || fill_corrected(m, to, e) < 0 ||
	    build_latency(&to->took, e->took) < 0 ||
	    build_latency(&to->ttfb, e->ttfb) < 0 ||
	    build_latency(&to->gap, e->gap) < 0 ||
	    build_latency(&to->queue, e->queue) < 0)
		return -ENOMEM;
	return 0;
}

static int by_count(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->text, y->text);
}

static int fill(struct table *t)
{
	struct model *m = t->m;
	int rc = 0;

	if (t->at.count)
		qsort(t->at.at, t->at.count, sizeof(*t->at.at), by_count);
	m->endpoints = calloc(t->at.count + 1, sizeof(*m->endpoints));
	if (!m->endpoints)
		return -ENOMEM;
	/* Those of which only the beginning was seen come last. */
	for (size_t i = 0; i < t->at.count && t->at.at[i].count && rc == 0;
	     i++) {
		m->requests += t->at.at[i].count;
		rc = fill_endpoint(m, &m->endpoints[m->endpoint_count++],
				   &t->at.at[i]);
	}
	return rc;
}

int build_endpoints(struct model *m, const struct trace_view *v)
{
	struct table t = { .m = m, .by_text = hash_new() };
	int rc = t.by_text ? 0 : -ENOMEM;
	struct entry *e;

	build_course_grid(m, v);
	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		rc = add_image(&t, v, &v->images[i]);
	fill_load(&t);
	if (rc == 0)
		rc = fill(&t);
	vec_foreach (&t.at, e) {
		histo_free(e->took);
		histo_free(e->ttfb);
		histo_free(e->queue);
		histo_free(e->gap);
		free(e->windows);
		free(e->mean_ms);
		free(e->max_ms);
		free(e->timed);
		vec_free(&e->course.cells);
	}
	vec_free(&t.at);
	hash_free(t.by_text);
	return rc;
}
