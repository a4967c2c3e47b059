/*
 * charges: for whose requests each site allocated.
 *
 * A stack is folded by the route of the request that its thread was at, so a
 * site's parts say whose its bytes are.  What counts is what lives: a function
 * that all endpoints call may keep only what one of them asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/vec.h"
#include "profiler/model/build.h"

struct charges {
	VEC(struct model_charge) at; /* of all sites */
	size_t first;		     /* of the current one */
};

/* That of @route, which is interned, within the current site. */
static struct model_charge *charge_of(struct charges *c, const char *route)
{
	struct model_charge *one;

	for (size_t i = c->first; i < c->at.count; i++)
		if (c->at.at[i].route == route)
			return &c->at.at[i];
	one = vec_push(&c->at);
	if (one)
		one->route = route;
	return one;
}

static int add(struct model *m, struct charges *c, const struct trace_image *im,
	       const struct fold_stack *stack)
{
	const char *route = model_string(m, build_route(im, stack->route));
	struct model_charge *one = route ? charge_of(c, route) : NULL;

	if (!one)
		return -ENOMEM;
	one->live += stack->live.bytes;
	one->allocated += stack->allocated.bytes;
	one->peak += stack->peak.bytes;
	one->temporary += stack->temporary.bytes;
	return 0;
}

static int by_route(const void *a, const void *b)
{
	const struct model_charge *x = a, *y = b;

	return strcmp(x->route, y->route);
}

/* The largest part, by what lives. */
static void settle(struct charges *c, struct model_site *s)
{
	bool lives = s->live.bytes > 0;
	double all = lives ? s->live.bytes : s->allocated.bytes;

	s->charge_count = (uint32_t)(c->at.count - c->first);
	if (s->charge_count)
		qsort(c->at.at + c->first, s->charge_count, sizeof(*c->at.at),
		      by_route);
	for (size_t i = c->first; i < c->at.count; i++) {
		const struct model_charge *one = &c->at.at[i];
		double bytes = lives ? one->live : one->allocated;
		double share = all > 0 ? bytes / all : 0;

		if (share <= s->route_share)
			continue;
		s->route = one->route;
		s->route_share = share;
	}
}

static int charge_site(struct model *m, const struct trace_view *v,
		       struct charges *c, const struct build_part *parts,
		       size_t count)
{
	int rc = 0;

	c->first = c->at.count;
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct trace_image *im = &v->images[parts[i].image];
		const struct fold_stack *stack =
			&im->result.stacks[parts[i].stack];

		if (stack->route && stack->allocated.bytes > 0)
			rc = add(m, c, im, stack);
	}
	settle(c, &m->sites[parts->site]);
	return rc;
}

/* Now that they will not move any more. */
static void hand_over(struct model *m, struct charges *c)
{
	const struct model_charge *next = c->at.at;

	m->charges = c->at.at;
	for (uint32_t i = 0; i < m->site_count; i++) {
		m->sites[i].charges = next;
		if (next)
			next += m->sites[i].charge_count;
	}
}

/* @parts are sorted by site. */
int build_charges(struct model *m, const struct trace_view *v,
		  const struct build_part *parts, size_t count)
{
	struct charges c = { VEC_INIT, 0 };
	int rc = 0;

	for (size_t i = 0, end; i < count && rc == 0; i = end) {
		for (end = i; end < count && parts[end].site == parts[i].site;)
			end++;
		rc = charge_site(m, v, &c, parts + i, end - i);
	}
	if (rc == 0)
		hand_over(m, &c);
	else
		vec_free(&c.at);
	return rc;
}
