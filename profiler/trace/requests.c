#include "profiler/trace/requests.h"

#include <string.h>

#include "profiler/latency/histo.h"
#include "profiler/wire/record.h"

void requests_fini(struct requests *r)
{
	struct route *route;

	vec_foreach (&r->at, route)
		for (int t = 0; t < REQUESTS_NTIMES; t++)
			histo_free(route->times[t]);
	vec_free(&r->at);
}

struct route *requests_route(struct requests *r, uint32_t id)
{
	if (id > REQUESTS_ROUTE_MAX)
		id = 0;
	while (r->at.count <= id)
		if (!vec_push(&r->at))
			return NULL;
	return &r->at.at[id];
}

static bool add_time(struct route *r, enum requests_time which, float ticks,
		     double slope)
{
	struct histo **h = &r->times[which];
	double ns = (double)ticks / slope;

	if (!*h)
		*h = histo_new();
	if (!*h)
		return false;
	histo_record(*h, ns < 0x1p63 ? (uint64_t)(ns + 0.5) : UINT64_MAX);
	return true;
}

bool requests_is_error(const struct fold_event *e)
{
	return e->status / 100 == 5 || (e->api & REQUEST_CUT);
}

/*
 * A request that was cut off has no time to its end, but it has one to its
 * first byte.
 */
static bool add_times(struct route *r, const struct fold_event *e, double slope)
{
	const struct fold_times *t = &e->times;
	bool ok = true;

	if (!e->status)
		return true;
	if (!(e->api & REQUEST_CUT))
		ok = add_time(r, REQUESTS_TOOK, t->took, slope);
	ok = ok && add_time(r, REQUESTS_TTFB, t->ttfb, slope);
	ok = ok && add_time(r, REQUESTS_QUEUE, t->queue, slope);
	if (ok && (e->api & REQUEST_STREAMED))
		ok = add_time(r, REQUESTS_GAP, t->gap, slope);
	return ok;
}

bool requests_add(struct requests *r, const struct fold_event *e,
		  uint32_t window, double slope)
{
	struct route *route = requests_route(r, e->node);
	unsigned class = e->status / 100;
	struct request_counts *c;

	if (!route)
		return false;
	c = &route->counts;
	c->count++;
	c->errors += requests_is_error(e);
	c->cut += (e->api & REQUEST_CUT) != 0;
	c->streamed += (e->api & REQUEST_STREAMED) != 0;
	c->alone += (e->api & REQUEST_ALONE) != 0;
	c->status[class < 6 ? class : 0]++;
	c->windows[window]++;
	return add_times(route, e, slope);
}

void requests_peak(struct requests *r, uint32_t id, double bytes)
{
	struct route *route = requests_route(r, id);
	struct request_counts *c;

	if (!route)
		return;
	c = &route->counts;
	c->peak_count++;
	c->peak_sum += bytes;
	if (bytes > c->peak_most)
		c->peak_most = bytes;
}

void requests_widen(struct requests *r)
{
	struct route *route;

	vec_foreach (&r->at, route) {
		uint64_t *w = route->counts.windows;

		for (size_t i = 0; i < FOLD_WINDOWS; i++)
			w[i] = 2 * i + 1 < FOLD_WINDOWS
				       ? w[2 * i] + w[2 * i + 1]
				       : 0;
	}
}
