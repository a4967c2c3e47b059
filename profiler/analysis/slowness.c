/*
 * slowness: see slowness.h.
 */
#include "profiler/analysis/slowness.h"

#include <math.h>
#include <string.h>

#include "profiler/model/model.h"

#define STEADY 1.5

bool slowness_has(const struct model_endpoint *p, const struct model_slow *s)
{
	return strcmp(s->route, p->route) == 0 &&
	       strcmp(s->method, p->method) == 0;
}

/*
 * What other threads do all the time, they do not do for a request.  Where
 * those of an endpoint fill less than half of the recording, what is for them
 * takes at most half of the share that it has while they last.
 */
static bool is_for(const struct model *m, const struct model_endpoint *p,
		   const struct model_slow *s,
		   const struct model_slow_part *part)
{
	if (part->own || part->node == MODEL_NONE ||
	    p->took.sum_s > m->duration / 2)
		return true;
	return part->ms / s->took_ms > STEADY * part->steady;
}

static void add_parts(struct slowness *to, const struct model *m,
		      const struct model_endpoint *p,
		      const struct model_slow *s)
{
	for (uint32_t i = 0; i < s->part_count; i++) {
		const struct model_slow_part *part = &s->parts[i];
		struct slow_time *t = part->own ? &to->own : &to->others;

		to->seen = true;
		/* Others that wait for what comes do nothing. */
		if (!part->own && part->waited &&
		    part->why == MODEL_BLOCKED_EPOLL)
			continue;
		if (!is_for(m, p, s, part))
			continue;
		if (part->waited)
			t->blocked_ms[part->why] += part->ms;
		else if (!part->own || isnan(s->on_cpu_ms))
			t->on_cpu_ms += part->ms;
	}
	/* Better than samples, where it is known. */
	if (!isnan(s->on_cpu_ms)) {
		to->own.on_cpu_ms += s->on_cpu_ms;
		to->seen = true;
	}
}

static void divide(struct slow_time *t, double by)
{
	t->on_cpu_ms /= by;
	for (int i = 0; i < MODEL_BLOCKED_KINDS; i++)
		t->blocked_ms[i] /= by;
}

void slowness_of(struct slowness *out, const struct model *m,
		 const struct model_endpoint *p)
{
	*out = (struct slowness) { 0 };
	for (uint32_t i = 0; i < m->slow_count; i++) {
		const struct model_slow *s = &m->slow[i];

		if (!slowness_has(p, s))
			continue;
		out->requests++;
		out->took_ms += s->took_ms;
		out->queue_ms += s->queue_ms;
		out->handling_ms += fmax(s->ttfb_ms - s->queue_ms, 0);
		out->writing_ms += fmax(s->took_ms - s->ttfb_ms, 0);
		add_parts(out, m, p, s);
	}
	out->took_ms /= out->requests;
	out->queue_ms /= out->requests;
	out->handling_ms /= out->requests;
	out->writing_ms /= out->requests;
	divide(&out->own, out->requests);
	divide(&out->others, out->requests);
	out->handed_on = out->own.blocked_ms[MODEL_BLOCKED_EPOLL] >
			 (out->handling_ms + out->writing_ms) / 2;
}

static bool is_telling(const struct model *m, const struct model_endpoint *p,
		       const struct model_slow *of, const struct slowness *s,
		       const struct model_slow_part *part)
{
	if (!is_for(m, p, of, part) || part->node == MODEL_NONE ||
	    part->ms < s->took_ms / 100)
		return false;
	return part->own ||
	       (s->handed_on &&
		!(part->waited && part->why == MODEL_BLOCKED_EPOLL));
}

size_t slowness_stacks(const struct model *m, const struct model_endpoint *p,
		       const struct slowness *s,
		       const struct model_slow_part **out, size_t most)
{
	const struct model_slow *slowest = NULL;
	size_t count = 0, of[2] = { 0 };

	for (uint32_t i = 0; i < m->slow_count && !slowest; i++)
		if (slowness_has(p, &m->slow[i]))
			slowest = &m->slow[i];
	for (uint32_t k = 0; slowest && k < slowest->part_count; k++) {
		const struct model_slow_part *part = &slowest->parts[k];

		if (is_telling(m, p, slowest, s, part) &&
		    of[part->own]++ < most)
			out[count++] = part;
	}
	return count;
}
