#include "profiler/trace/requests.h"

#include <math.h>
#include <string.h>

#include "profiler/latency/histo.h"
#include "profiler/wire/record.h"

void requests_fini(struct requests *r)
{
	struct route *route;

	vec_foreach (&r->at, route) {
		for (int t = 0; t < REQUESTS_NTIMES; t++)
			histo_free(route->times[t]);
		course_fini(&route->course);
	}
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

static uint64_t to_ns(float ticks, double slope)
{
	double ns = (double)ticks / slope;

	return ns < 0x1p63 ? (uint64_t)(ns + 0.5) : UINT64_MAX;
}

static bool add_time(struct route *r, enum requests_time which, float ticks,
		     double slope)
{
	struct histo **h = &r->times[which];

	if (!*h)
		*h = histo_new();
	if (!*h)
		return false;
	histo_record(*h, to_ns(ticks, slope));
	return true;
}

static void add_timed(struct fold_timed *to, const struct fold_timed *from)
{
	if (__builtin_add_overflow(to->sum_ns, from->sum_ns, &to->sum_ns))
		to->sum_ns = UINT64_MAX; /* damaged bytes only */
	to->count += from->count;
	if (from->most_ns > to->most_ns)
		to->most_ns = from->most_ns;
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

bool requests_hold(struct requests *r, uint32_t id, double bytes)
{
	struct route *route = requests_route(r, id);

	if (route)
		route->counts.live += bytes;
	return route != NULL;
}

/* What is held as the latest request is answered. */
static void note_held(struct request_counts *c)
{
	if (!c->held_step)
		c->held_step = 1;
	if (c->count % c->held_step)
		return;
	if (c->held_count >= REQUESTS_HELD) {
		for (size_t i = 0; i < REQUESTS_HELD / 2; i++)
			c->held[i] = c->held[2 * i + 1];
		c->held_count = REQUESTS_HELD / 2;
		c->held_step *= 2;
		if (c->count % c->held_step)
			return;
	}
	c->held[c->held_count++] = (struct fold_held) { c->count, c->live };
}

static void note_load(struct load *l, const struct fold_event *e)
{
	double took = (double)e->times.took, to = (double)e->ticks;

	if (took < to)
		load_add(l, e->ticks - (uint64_t)took, e->ticks);
}

static void note_slow(struct request_counts *c, const struct fold_event *e)
{
	const struct slow_ticks slow = {
		.ended = e->ticks,
		.took = e->times.took,
		.ttfb = e->times.ttfb,
		.queue = e->times.queue,
		.gap = e->times.gap,
		.status = e->status,
	};
	size_t at = FOLD_SLOWEST;

	while (at > 0 && (!c->slowest[at - 1].status ||
			  slow.took > c->slowest[at - 1].took))
		at--;
	if (at == FOLD_SLOWEST)
		return;
	memmove(&c->slowest[at + 1], &c->slowest[at],
		(FOLD_SLOWEST - 1 - at) * sizeof(slow));
	c->slowest[at] = slow;
}

/* One that was answered to its end. */
static bool note_took(struct route *r, const struct fold_event *e,
		      uint32_t window, double slope)
{
	uint64_t took = to_ns(e->times.took, slope);

	note_slow(&r->counts, e);
	if (took > HISTO_MAX_NS)
		return true;
	add_timed(&r->counts.timed[window],
		  &(struct fold_timed) { 1, took, took });
	return course_add(&r->course, window / FOLD_COURSE, took);
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
	note_held(c);
	if (e->status && !(e->api & REQUEST_CUT)) {
		if (!note_took(route, e, window, slope))
			return false;
		note_load(&r->load, e);
	}
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
		struct fold_timed *t = route->counts.timed;

		course_widen(&route->course);
		for (size_t i = 0; i < FOLD_WINDOWS; i++) {
			bool pair = 2 * i + 1 < FOLD_WINDOWS;

			w[i] = pair ? w[2 * i] + w[2 * i + 1] : 0;
			t[i] = pair ? t[2 * i] : (struct fold_timed) { 0 };
			if (pair)
				add_timed(&t[i], &t[2 * i + 1]);
		}
	}
}

static bool slowest_sound(const struct slow_ticks *s)
{
	for (size_t i = 0; i < FOLD_SLOWEST; i++) {
		if (!(s[i].took >= 0) || !(s[i].ttfb >= 0) ||
		    !(s[i].queue >= 0) || !(s[i].gap >= 0) ||
		    s[i].status > UINT16_MAX)
			return false;
		if (i && s[i].status &&
		    (!s[i - 1].status || s[i].took > s[i - 1].took))
			return false;
	}
	return true;
}

bool requests_sound(const struct request_counts *c)
{
	if (!isfinite(c->peak_sum) || !isfinite(c->peak_most) ||
	    !isfinite(c->live) || c->held_count > REQUESTS_HELD ||
	    (c->held_count && !c->held_step))
		return false;
	for (size_t i = 0; i < c->held_count; i++)
		if (!isfinite(c->held[i].bytes))
			return false;
	return slowest_sound(c->slowest);
}
