/*
 * charges: for whose requests each site allocated.
 *
 * A stack is folded by the route of the request that its thread was at, so a
 * site's parts say whose its bytes are.  What counts is what lives: a function
 * that all endpoints call may keep only what one of them asked for.
 */
#include <errno.h>
#include <stdlib.h>

#include "profiler/base/vec.h"
#include "profiler/model/build.h"

struct charge {
	const char *route; /* interned */
	double bytes;
};

struct charges {
	VEC(struct charge) at;
};

static int add(struct charges *c, const char *route, double bytes)
{
	struct charge *one;

	vec_foreach (&c->at, one) {
		if (one->route == route) {
			one->bytes += bytes;
			return 0;
		}
	}
	one = vec_push(&c->at);
	if (!one)
		return -ENOMEM;
	*one = (struct charge) { route, bytes };
	return 0;
}

static void settle(const struct charges *c, struct model_site *s, double all)
{
	const struct charge *one;

	vec_foreach (&c->at, one) {
		double share = all > 0 ? one->bytes / all : 0;

		if (share <= s->route_share)
			continue;
		s->route = one->route;
		s->route_share = share;
	}
}

static int charge_site(struct model *m, const struct trace_view *v,
		       struct charges *c, struct model_site *s,
		       const struct build_part *parts, size_t count)
{
	double all = 0;
	int rc = 0;

	c->at.count = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct trace_image *im = &v->images[parts[i].image];
		const struct fold_stack *stack =
			&im->result.stacks[parts[i].stack];
		double bytes = s->live.bytes > 0 ? stack->live.bytes
						 : stack->allocated.bytes;
		const char *route;

		all += bytes;
		if (!stack->route || bytes <= 0)
			continue;
		route = model_string(m, build_route(im, stack->route));
		rc = route ? add(c, route, bytes) : -ENOMEM;
	}
	settle(c, s, all);
	return rc;
}

/* @parts are sorted by site. */
int build_charges(struct model *m, const struct trace_view *v,
		  const struct build_part *parts, size_t count)
{
	struct charges c = { VEC_INIT };
	int rc = 0;

	for (size_t i = 0, end; i < count && rc == 0; i = end) {
		for (end = i; end < count && parts[end].site == parts[i].site;)
			end++;
		rc = charge_site(m, v, &c, &m->sites[parts[i].site], parts + i,
				 end - i);
	}
	vec_free(&c.at);
	return rc;
}
