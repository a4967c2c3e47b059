/*
 * spans: what the program has named, of all processes, by name.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/latency/histo.h"
#include "profiler/model/build.h"
#include "profiler/model/named.h"

struct entry {
	const char *name; /* interned */
	uint64_t count;
	double busy_ns;
	struct fold_sum allocated;
	bool charged; /* by the shim, which knows who is at it */
	struct histo *took;
};

struct table {
	struct model *m;
	VEC(struct entry) at;
	struct hash *by_name;
};

static struct entry *entry_of(struct table *t, const char *name)
{
	const char *kept = model_string(t->m, name);
	uint64_t *found;
	struct entry *e;

	if (!kept)
		return NULL;
	found = hash_find(t->by_name, (uint64_t)(uintptr_t)kept);
	if (found)
		return &t->at.at[*found];
	e = vec_push(&t->at);
	if (!e || hash_set(t->by_name, (uint64_t)(uintptr_t)kept,
			   t->at.count - 1) < 0)
		return NULL;
	e->name = kept;
	e->took = histo_new();
	return e->took ? e : NULL;
}

static int add_span(struct table *t, const struct trace_image *im,
		    const struct fold_span *s)
{
	struct entry *e;

	if (!s->count)
		return 0;
	e = entry_of(t, build_route(im, s->name));
	if (!e)
		return -ENOMEM;
	e->count += s->count;
	e->charged |= !im->probed;
	e->busy_ns += s->busy_ns;
	e->allocated.bytes += s->allocated.bytes;
	e->allocated.bytes_variance += s->allocated.bytes_variance;
	e->allocated.count += s->allocated.count;
	return s->took && histo_merge(e->took, s->took) < 0 ? -ENOMEM : 0;
}

static bool has_shim(const struct trace_view *v)
{
	for (size_t i = 0; i < v->image_count; i++)
		if (!v->images[i].probed)
			return true;
	return false;
}

static bool is_below(const struct model *m, uint32_t node, const char *name)
{
	for (; node != MODEL_NONE; node = m->nodes[node].parent)
		if (named_frame(&m->frames[m->nodes[node].frame], name))
			return true;
	return false;
}

/*
 * A handler that probes time is not told to the shim; but what is allocated
 * below it has it on its stack.
 */
static void charge_handlers(struct table *t, const struct trace_view *v)
{
	const struct model *m = t->m;
	struct entry *e;

	vec_foreach (&t->at, e) {
		if (e->charged || !has_shim(v))
			continue;
		e->charged = true;
		for (uint32_t i = 0; i < m->site_count; i++) {
			const struct estimate *a = &m->sites[i].allocated;

			if (!is_below(m, m->sites[i].node, e->name))
				continue;
			e->allocated.bytes += a->bytes;
			e->allocated.bytes_variance += a->bytes_variance;
			e->allocated.count += a->count;
		}
	}
}

static double quantile_ms(const struct histo *h, double q)
{
	return (double)histo_quantile(h, q) / 1e6;
}

static struct model_span figures(const struct entry *e)
{
	double n = (double)e->count, seen = e->charged ? n : NAN;

	return (struct model_span) {
		.name = e->name,
		.count = e->count,
		.p50_ms = quantile_ms(e->took, 0.50),
		.p95_ms = quantile_ms(e->took, 0.95),
		.p99_ms = quantile_ms(e->took, 0.99),
		.max_ms = quantile_ms(e->took, 1),
		.busy_ms = e->busy_ns / n / 1e6,
		.alloc_bytes_per_span = e->allocated.bytes / seen,
		.alloc_objects_per_span = e->allocated.count / seen,
		.alloc_margin = 1.96 *
				sqrt(fmax(e->allocated.bytes_variance, 0)) /
				seen,
	};
}

static double time_of(const struct entry *e)
{
	return histo_mean(e->took) * (double)e->count;
}

static int by_time(const void *a, const void *b)
{
	double x = time_of(a), y = time_of(b);

	if (x != y)
		return x > y ? -1 : 1;
	return strcmp(((const struct entry *)a)->name,
		      ((const struct entry *)b)->name);
}

static int fill(struct table *t)
{
	struct model *m = t->m;
	const struct entry *e;

	if (t->at.count)
		qsort(t->at.at, t->at.count, sizeof(*t->at.at), by_time);
	m->spans = calloc(t->at.count + 1, sizeof(*m->spans));
	if (!m->spans)
		return -ENOMEM;
	vec_foreach (&t->at, e)
		m->spans[m->span_count++] = figures(e);
	return 0;
}

int build_spans(struct model *m, const struct trace_view *v)
{
	struct table t = { .m = m, .by_name = hash_new() };
	int rc = t.by_name ? 0 : -ENOMEM;
	struct entry *e;

	for (size_t i = 0; i < v->image_count && rc == 0; i++) {
		const struct fold_result *r = &v->images[i].result;

		m->spans_forgotten += r->spans_forgotten;
		for (size_t k = 0; k < r->span_count && rc == 0; k++)
			rc = add_span(&t, &v->images[i], &r->spans[k]);
	}
	if (rc == 0)
		charge_handlers(&t, v);
	if (rc == 0)
		rc = fill(&t);
	vec_foreach (&t.at, e)
		histo_free(e->took);
	vec_free(&t.at);
	hash_free(t.by_name);
	return rc;
}
