/*
 * fold_result: what a fold has come to, as its readers see it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/trace/fold.h"
#include "profiler/trace/fold_state.h"
#include "profiler/trace/ticks.h"

static int by_node(const void *a, const void *b)
{
	const struct fold_stack *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->route < y->route ? -1 : x->route > y->route;
}

static int put_stacks(struct fold *f)
{
	struct fold_result *r = &f->result;

	for (uint32_t i = 0; i < f->stacks.count; i++) {
		const struct stack *s = settle_peak(f, &f->stacks.at[i]);
		const struct series *series = &f->series.at[i];
		struct fold_stack *out = vec_push(&f->stacks_out);

		if (!out)
			return -ENOMEM;
		*out = (struct fold_stack) {
			.node = s->node,
			.route = s->route,
			.samples = s->samples,
			.live = s->live,
			.allocated = s->allocated,
			.peak = s->peak,
			.temporary = s->temporary,
			.mapped = s->mapped,
			.heap_grown = s->heap_grown,
			.descriptors = s->descriptors,
			.levels = series->levels.at,
			.level_count = series->levels.count,
		};
		r->allocations += s->samples;
		r->temporary.bytes += s->temporary.bytes;
		r->temporary.count += s->temporary.count;
	}
	if (f->stacks_out.count)
		qsort(f->stacks_out.at, f->stacks_out.count,
		      sizeof(*f->stacks_out.at), by_node);
	r->stacks = f->stacks_out.at;
	r->stack_count = f->stacks_out.count;
	return 0;
}

static int put_threads(struct fold *f, const struct slab_file *h)
{
	const struct thread *t;

	vec_foreach (&f->threads.at, t) {
		struct fold_thread *out = vec_push(&f->threads_out);

		if (!out)
			return -ENOMEM;
		out->tid = t->tid;
		memcpy(out->name, t->name, sizeof(out->name));
		out->began_ns = ticks_to_ns(h, t->began);
		if (t->ended)
			out->ended_ns = ticks_to_ns(h, t->ended);
		out->allocated = t->allocated;
	}
	f->result.threads = f->threads_out.at;
	f->result.thread_count = f->threads_out.count;
	return 0;
}

static uint64_t slow_ns(const struct fold *f, float ticks)
{
	double ns = (double)ticks / f->ticks_per_ns;

	return ns < 0x1p63 ? (uint64_t)(ns + 0.5) : UINT64_MAX;
}

static void put_slowest(const struct fold *f, const struct slab_file *h,
			const struct request_counts *c, struct fold_route *out)
{
	for (size_t i = 0; i < FOLD_SLOWEST && c->slowest[i].status; i++) {
		const struct slow_ticks *s = &c->slowest[i];
		uint64_t ended = ticks_to_ns(h, s->ended);
		uint64_t took = slow_ns(f, s->took);

		out->slowest[i] = (struct fold_slow) {
			.at_ns = took < ended ? ended - took : 0,
			.took = took,
			.ttfb = slow_ns(f, s->ttfb),
			.queue = slow_ns(f, s->queue),
			.gap = slow_ns(f, s->gap),
			.status = (unsigned)s->status,
		};
	}
}

static int put_routes(struct fold *f, const struct slab_file *h)
{
	for (uint32_t id = 0; id < f->requests.at.count; id++) {
		const struct route *r = &f->requests.at.at[id];
		struct fold_route *out;

		if (!r->counts.count)
			continue;
		out = vec_push(&f->routes_out);
		if (!out)
			return -ENOMEM;
		*out = (struct fold_route) {
			.route = id,
			.count = r->counts.count,
			.errors = r->counts.errors,
			.cut = r->counts.cut,
			.streamed = r->counts.streamed,
			.alone = r->counts.alone,
			.peak_count = r->counts.peak_count,
			.peak_sum = r->counts.peak_sum,
			.peak_most = r->counts.peak_most,
			.held = r->counts.held,
			.held_count = r->counts.held_count,
			.took = r->times[REQUESTS_TOOK],
			.ttfb = r->times[REQUESTS_TTFB],
			.queue = r->times[REQUESTS_QUEUE],
			.gap = r->times[REQUESTS_GAP],
			.windows = r->counts.windows,
			.timed = r->counts.timed,
			.course = &r->course,
		};
		put_slowest(f, h, &r->counts, out);
		memcpy(out->status, r->counts.status, sizeof(out->status));
	}
	f->result.routes = f->routes_out.at;
	f->result.route_count = f->routes_out.count;
	return 0;
}

static void put_load(struct fold *f)
{
	struct load_shape s = load_shape(&f->requests.load);

	f->result.load = (struct fold_load) {
		.kind = s.kind,
		.clients = s.clients,
		.cycle_ns = s.cycle / f->ticks_per_ns,
		.judged = s.judged,
	};
}

static int put_spans(struct fold *f)
{
	const struct span_name *name;

	vec_foreach (&f->spans.names, name) {
		struct fold_span *out = vec_push(&f->spans_out);

		if (!out)
			return -ENOMEM;
		*out = (struct fold_span) {
			.name = name->counts.name,
			.count = name->counts.count,
			.busy_ns = name->counts.busy / f->ticks_per_ns,
			.allocated = name->counts.allocated,
			.took = name->took,
		};
	}
	f->result.spans = f->spans_out.at;
	f->result.span_count = f->spans_out.count;
	f->result.spans_forgotten = f->spans.forgotten;
	return 0;
}

int fold_finish(struct fold *f, const struct slab_file *h)
{
	const struct fold_core *c = &f->core;
	double width = (double)c->window_ticks / ticks_per_ns(h);

	f->result = (struct fold_result) {
		.window_ns =
			width < 0x1p63 ? (uint64_t)(width + 0.5) : UINT64_MAX,
		.first_ns = ticks_to_ns(h, c->first_ticks),
		.last_ns = ticks_to_ns(h, c->last_ticks),
		.threads_forgotten = f->threads.forgotten,
		.forgotten_allocated = f->threads.forgotten_allocated,
		.live = c->live,
		.allocated = c->allocated,
		.released = fold_released(f),
		.peak = c->peak,
		.inherited_releases = c->inherited,
		.peak_ns = ticks_to_ns(h, c->peak_ticks),
		.records = c->records,
		.releases = c->releases,
		.mean_bytes = (double)c->mean,
		.torn_slabs = c->torn,
	};
	windows_finish(f);
	f->result.windows = f->windows.at;
	f->result.window_count = f->windows.count;
	put_load(f);
	if (f->failed || put_stacks(f) < 0 || makers_finish(f) < 0 ||
	    put_threads(f, h) < 0 || put_routes(f, h) < 0 || put_spans(f) < 0)
		return -ENOMEM;
	return 0;
}

const struct fold_result *fold_result(const struct fold *f)
{
	return &f->result;
}
