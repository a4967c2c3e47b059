/*
 * slow: the slowest requests of each endpoint, of all processes, and what
 * their threads did meanwhile where probes saw it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/model/build.h"

#define MOST 4 /* of each endpoint */

struct entry {
	struct model_slow slow;
	size_t image; /* where its parts are, by these */
	uint64_t at_ns;
	uint32_t route;
};

struct entries {
	struct model *m;
	const struct trace_view *v;
	VEC(struct entry) at;
};

static int by_endpoint(const void *a, const void *b)
{
	const struct model_slow *x = &((const struct entry *)a)->slow;
	const struct model_slow *y = &((const struct entry *)b)->slow;
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
static void fill_cpu(struct model_slow *to, uint64_t cpu)
{
	double all = to->took_ms - to->queue_ms;

	to->on_cpu_ms = to->off_cpu_ms = NAN;
	if (!cpu || all < 0)
		return;
	to->on_cpu_ms = fmin((double)(cpu - 1) / 1e6, all);
	to->off_cpu_ms = all - to->on_cpu_ms;
}

static int add(struct entries *e, size_t image, uint32_t route,
	       const struct fold_slow *s, uint64_t cpu)
{
	const char *text = build_route(&e->v->images[image], route);
	const char *kept = model_string(e->m, text);
	struct entry *to = vec_push(&e->at);
	size_t word = strcspn(text, " ");
	char method[32];

	if (!to || !kept)
		return -ENOMEM;
	if (word >= sizeof(method))
		word = sizeof(method) - 1;
	memcpy(method, text, word);
	method[word] = 0;
	*to = (struct entry) { .image = image,
			       .at_ns = s->at_ns,
			       .route = route };
	to->slow = (struct model_slow) {
		.method = model_string(e->m, method),
		.route = kept + word + (kept[word] == ' '),
		.t = build_seconds(e->v, s->at_ns),
		.took_ms = (double)s->took / 1e6,
		.queue_ms = (double)s->queue / 1e6,
		.ttfb_ms = (double)s->ttfb / 1e6,
		.gap_ms = (double)s->gap / 1e6,
		.status = s->status,
	};
	fill_cpu(&to->slow, cpu);
	return to->slow.method ? 0 : -ENOMEM;
}

/* The kernel tells of more than the slowest, and more of each. */
static int add_probed(struct entries *e, size_t image)
{
	const struct trace_image *im = &e->v->images[image];
	int rc = 0;

	for (size_t i = 0; i < im->slow_count && rc == 0; i++) {
		const struct wire_slow *s = &im->slow[i];

		rc = add(e, image, s->route,
			 &(struct fold_slow) { s->at_ns, s->took, s->ttfb,
					       s->queue, s->gap, s->status },
			 s->cpu);
	}
	return rc;
}

static int add_folded(struct entries *e, size_t image)
{
	const struct trace_image *im = &e->v->images[image];
	int rc = 0;

	for (size_t i = 0; i < im->result.route_count; i++) {
		const struct fold_route *r = &im->result.routes[i];

		for (size_t k = 0; k < FOLD_SLOWEST && rc == 0; k++)
			if (r->slowest[k].status)
				rc = add(e, image, r->route, &r->slowest[k], 0);
	}
	return rc;
}

/* Of each endpoint the first few are left. */
static void cut(struct entries *e)
{
	size_t kept = 0, same = 0;

	for (size_t i = 0; i < e->at.count; i++) {
		const struct model_slow *s = &e->at.at[i].slow;
		bool first = !kept ||
			     s->route != e->at.at[kept - 1].slow.route ||
			     s->method != e->at.at[kept - 1].slow.method;

		same = first ? 1 : same + 1;
		if (same <= MOST)
			e->at.at[kept++] = e->at.at[i];
	}
	e->at.count = kept;
}

static uint64_t key_of(size_t image, uint64_t at_ns, uint32_t route)
{
	return hash_mix(hash_mix(at_ns ^ (uint64_t)image << 48) ^ route);
}

static int by_weight(const void *a, const void *b)
{
	const struct model_slow_part *x = a, *y = b;

	if (x->own != y->own)
		return x->own ? -1 : 1;
	if (x->ms != y->ms)
		return x->ms > y->ms ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

/* Parts of one request stand together, as do those of m->slow_parts. */
static void give_image_parts(struct entries *e, const struct hash *places,
			     size_t image, struct model_slow_part *parts)
{
	const struct trace_image *im = &e->v->images[image];

	for (size_t i = 0, end; i < im->slow_part_count; i = end) {
		const struct trace_slow_part *first = &im->slow_parts[i];
		const uint64_t *place =
			hash_find(places,
				  key_of(image, first->at_ns, first->route));
		struct model_slow *s;

		for (end = i + 1; end < im->slow_part_count &&
				  im->slow_parts[end].at_ns == first->at_ns &&
				  im->slow_parts[end].route == first->route;)
			end++;
		if (!place)
			continue;
		s = &e->at.at[*place].slow;
		qsort(parts + i, end - i, sizeof(*parts), by_weight);
		s->parts = parts + i;
		s->part_count = (uint32_t)(end - i);
	}
}

static int give_parts(struct entries *e)
{
	struct model_slow_part *parts = e->m->slow_parts;
	struct hash *places = hash_new();
	int rc = places ? 0 : -ENOMEM;

	for (size_t i = 0; i < e->at.count && rc == 0; i++) {
		const struct entry *one = &e->at.at[i];

		rc = hash_set(places,
			      key_of(one->image, one->at_ns, one->route), i);
	}
	for (size_t i = 0; i < e->v->image_count && rc == 0; i++) {
		give_image_parts(e, places, i, parts);
		parts += e->v->images[i].slow_part_count;
	}
	hash_free(places);
	return rc;
}

static int keep(struct entries *e)
{
	struct model *m = e->m;

	m->slow = calloc(e->at.count + 1, sizeof(*m->slow));
	if (!m->slow)
		return -ENOMEM;
	for (size_t i = 0; i < e->at.count; i++)
		m->slow[m->slow_count++] = e->at.at[i].slow;
	return 0;
}

static size_t part_count(const struct trace_view *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->image_count; i++)
		count += v->images[i].slow_part_count;
	return count;
}

int build_slow(struct model *m, const struct trace_view *v)
{
	struct entries e = { .m = m, .v = v };
	int rc = 0;

	for (size_t i = 0; i < v->image_count && rc == 0; i++) {
		if (v->images[i].slow_count)
			rc = add_probed(&e, i);
		else if (!build_timed_by_kernel(v, &v->images[i]))
			rc = add_folded(&e, i);
	}
	if (e.at.count)
		qsort(e.at.at, e.at.count, sizeof(*e.at.at), by_endpoint);
	cut(&e);
	if (rc == 0)
		rc = give_parts(&e);
	if (rc == 0)
		rc = build_steady(m, part_count(v));
	if (rc == 0)
		rc = keep(&e);
	vec_free(&e.at);
	return rc;
}

const char *model_blocked_name(enum model_blocked why)
{
	static const char *const names[MODEL_BLOCKED_KINDS] = {
		[MODEL_BLOCKED_OTHER] = "other",
		[MODEL_BLOCKED_CPU] = "cpu",
		[MODEL_BLOCKED_FUTEX] = "futex",
		[MODEL_BLOCKED_EPOLL] = "epoll",
		[MODEL_BLOCKED_DISK] = "disk",
		[MODEL_BLOCKED_SOCKET] = "socket",
		[MODEL_BLOCKED_SLEEP] = "sleep",
		[MODEL_BLOCKED_FAULT] = "page",
		[MODEL_BLOCKED_CHILD] = "process",
		[MODEL_BLOCKED_FILE] = "file",
	};

	return names[why];
}
