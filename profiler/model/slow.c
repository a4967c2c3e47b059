/*
 * slow: the slowest requests of each endpoint, of all processes.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"

#define MOST 4 /* of each endpoint */

static int by_endpoint(const void *a, const void *b)
{
	const struct model_slow *x = a, *y = b;
	int order = strcmp(x->route, y->route);

	if (!order)
		order = strcmp(x->method, y->method);
	if (order)
		return order;
	if (x->took_ms != y->took_ms)
		return x->took_ms > y->took_ms ? -1 : 1;
	return (x->t > y->t) - (x->t < y->t);
}

/* What was read by the time of a tick can be more than all there was. */
static void fill_cpu(struct model_slow *to, const struct wire_slow *s)
{
	double all = to->took_ms - to->queue_ms;

	to->on_cpu_ms = to->off_cpu_ms = NAN;
	if (!s->cpu || all < 0)
		return;
	to->on_cpu_ms = fmin((double)(s->cpu - 1) / 1e6, all);
	to->off_cpu_ms = all - to->on_cpu_ms;
}

static int add(struct model *m, const struct trace_view *v,
	       const struct trace_image *im, const struct wire_slow *s)
{
	const char *text = build_route(im, s->route);
	const char *kept = model_string(m, text);
	size_t word = strcspn(text, " ");
	char method[32];

	if (word >= sizeof(method))
		word = sizeof(method) - 1;
	memcpy(method, text, word);
	method[word] = 0;
	m->slow[m->slow_count] = (struct model_slow) {
		.method = model_string(m, method),
		.route = kept ? kept + word + (kept[word] == ' ') : NULL,
		.t = build_seconds(v, s->at_ns),
		.took_ms = (double)s->took / 1e6,
		.queue_ms = (double)s->queue / 1e6,
		.ttfb_ms = (double)s->ttfb / 1e6,
		.gap_ms = (double)s->gap / 1e6,
		.status = s->status,
	};
	fill_cpu(&m->slow[m->slow_count], s);
	return m->slow[m->slow_count].method && m->slow[m->slow_count++].route
		       ? 0
		       : -ENOMEM;
}

/* Of each endpoint the first few are left. */
static void cut(struct model *m)
{
	uint32_t kept = 0, same = 0;

	for (uint32_t i = 0; i < m->slow_count; i++) {
		bool first = !kept ||
			     m->slow[i].route != m->slow[kept - 1].route ||
			     m->slow[i].method != m->slow[kept - 1].method;

		same = first ? 1 : same + 1;
		if (same <= MOST)
			m->slow[kept++] = m->slow[i];
	}
	m->slow_count = kept;
}

int build_slow(struct model *m, const struct trace_view *v)
{
	size_t count = 0;
	int rc = 0;

	for (size_t i = 0; i < v->image_count; i++)
		count += v->images[i].slow_count;
	if (!count)
		return 0;
	m->slow = calloc(count, sizeof(*m->slow));
	if (!m->slow)
		return -ENOMEM;
	for (size_t i = 0; i < v->image_count; i++)
		for (size_t k = 0; k < v->images[i].slow_count && rc == 0; k++)
			rc = add(m, v, &v->images[i], &v->images[i].slow[k]);
	if (rc < 0)
		return rc;
	qsort(m->slow, m->slow_count, sizeof(*m->slow), by_endpoint);
	cut(m);
	return 0;
}
