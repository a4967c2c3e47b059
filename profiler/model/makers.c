/*
 * makers: which thread made what each site holds.
 *
 * A site's stacks come from several processes and routes; each tells the
 * threads that were there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/vec.h"
#include "profiler/model/build.h"

struct makers {
	VEC(struct model_maker) at; /* of all sites */
	uint32_t *threads;	    /* where those of each image begin */
};

/* Whose route comes first; no route before any. */
static int compare_routes(const char *a, const char *b)
{
	if (a == b)
		return 0;
	if (!a || !b)
		return a ? 1 : -1;
	return strcmp(a, b);
}

static int by_route(const void *a, const void *b)
{
	const struct model_maker *x = a, *y = b;
	int c = compare_routes(x->route, y->route);

	return c ? c : (x->thread > y->thread) - (x->thread < y->thread);
}

static int add(struct model *m, struct makers *k, const struct trace_image *im,
	       uint32_t first, const struct fold_stack *stack)
{
	const char *route = NULL;

	if (stack->route) {
		route = model_string(m, build_route(im, stack->route));
		if (!route)
			return -ENOMEM;
	}
	for (size_t i = 0; i < stack->maker_count; i++) {
		const struct fold_maker *from = &stack->makers[i];
		struct model_maker *one = vec_push(&k->at);

		if (!one)
			return -ENOMEM;
		*one = (struct model_maker) {
			.route = route,
			.thread = first + from->thread,
			.live = from->live_bytes,
			.live_count = from->live_count,
			.allocated = from->allocated_bytes,
			.allocated_count = from->allocated_count,
		};
	}
	return 0;
}

/* Those from @first on belong to one site: one for each route and thread. */
static void merge(struct makers *k, size_t first)
{
	size_t kept = first;

	if (k->at.count - first < 2)
		return;
	qsort(k->at.at + first, k->at.count - first, sizeof(*k->at.at),
	      by_route);
	for (size_t i = first + 1; i < k->at.count; i++) {
		struct model_maker *to = &k->at.at[kept];
		const struct model_maker *from = &k->at.at[i];

		if (by_route(to, from) != 0) {
			k->at.at[++kept] = *from;
			continue;
		}
		to->live += from->live;
		to->live_count += from->live_count;
		to->allocated += from->allocated;
		to->allocated_count += from->allocated_count;
	}
	k->at.count = kept + 1;
}

static int add_site(struct model *m, const struct trace_view *v,
		    struct makers *k, const struct build_part *parts,
		    size_t count)
{
	size_t first = k->at.count;

	for (size_t i = 0; i < count; i++) {
		uint32_t image = parts[i].image;
		const struct trace_image *im = &v->images[image];

		if (add(m, k, im, k->threads[image],
			&im->result.stacks[parts[i].stack]) < 0)
			return -ENOMEM;
	}
	merge(k, first);
	m->sites[parts->site].maker_count = (uint32_t)(k->at.count - first);
	return 0;
}

/* Where each image's threads will stand in the model's (build.c). */
static int number_threads(struct makers *k, const struct trace_view *v)
{
	uint32_t next = 0;

	k->threads = calloc(v->image_count + 1, sizeof(*k->threads));
	for (size_t i = 0; k->threads && i < v->image_count; i++) {
		k->threads[i] = next;
		next += (uint32_t)v->images[i].result.thread_count;
	}
	return k->threads ? 0 : -ENOMEM;
}

/* Now that they will not move any more. */
static void hand_over(struct model *m, struct makers *k)
{
	const struct model_maker *next = k->at.at;

	m->makers = k->at.at;
	for (uint32_t i = 0; i < m->site_count; i++) {
		m->sites[i].makers = next;
		if (next)
			next += m->sites[i].maker_count;
	}
}

/* @parts are sorted by site. */
int build_makers(struct model *m, const struct trace_view *v,
		 const struct build_part *parts, size_t count)
{
	struct makers k = { VEC_INIT, NULL };
	int rc = number_threads(&k, v);

	for (size_t i = 0, end; i < count && rc == 0; i = end) {
		for (end = i; end < count && parts[end].site == parts[i].site;)
			end++;
		rc = add_site(m, v, &k, parts + i, end - i);
	}
	free(k.threads);
	if (rc == 0)
		hand_over(m, &k);
	else
		vec_free(&k.at);
	return rc;
}
