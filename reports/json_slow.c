/*
 * json_slow: endpoints that are slow, and the slowest requests of each, of the
 * JSON report.
 */
#include <math.h>
#include <stdbool.h>

#include "reports/emit.h"
#include "reports/json.h"
#include "reports/report.h"
#include "reports/slow_words.h"

/* Stacks of a request of a slow endpoint, and of the slowest of any other. */
#define STACKS_SLOW 8u
#define STACKS_ELSE 2u

static void put_time(struct emit *e, const char *key, const struct slow_time *t,
		     bool known)
{
	emit_key(e, key);
	if (!known) {
		emit_null(e);
		return;
	}
	emit_open(e, '{');
	emit_key_real(e, "on_cpu_ms", t->on_cpu_ms, 3);
	emit_key(e, "blocked_ms");
	emit_open(e, '{');
	for (int i = 0; i < MODEL_BLOCKED_KINDS; i++)
		emit_key_real(e, model_blocked_name((enum model_blocked)i),
			      t->blocked_ms[i], 3);
	emit_close(e, '}');
	emit_close(e, '}');
}

static void put_endpoint(struct emit *e, const struct model *m,
			 const struct report_options *opt,
			 const struct model_endpoint *p)
{
	struct slowness s;

	slowness_of(&s, m, p);
	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "method", p->method);
	emit_key_text(e, "route", p->route);
	emit_key_real(e, "p95_ms", p->p95_ms, 6);
	emit_key_real(e, "limit_ms", slowness_limit_of(opt, p), 6);
	emit_key_unsigned(e, "requests", s.requests);
	emit_key_real(e, "took_ms", s.took_ms, 6);
	emit_key_real(e, "queue_ms", s.queue_ms, 6);
	emit_key_real(e, "handling_ms", s.handling_ms, 6);
	emit_key_real(e, "writing_ms", s.writing_ms, 6);
	put_time(e, "own_threads", &s.own, s.seen);
	put_time(e, "other_threads", &s.others, s.seen && s.handed_on);
	emit_close(e, '}');
}

void json_slow(struct emit *e, const struct model *m,
	       const struct report_options *opt)
{
	json_section(e, "slow", '{');
	emit_key_real(e, "p95_ms", slowness_limit(opt), 6);
	emit_key(e, "endpoints");
	emit_open(e, '[');
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (slowness_is(opt, &m->endpoints[i]))
			put_endpoint(e, m, opt, &m->endpoints[i]);
	emit_close(e, ']');
	emit_close(e, '}');
}

static int put_part(struct emit *e, const struct model *m,
		    const struct report_options *opt,
		    const struct model_slow_part *part)
{
	int rc;

	emit_open(e, '{');
	emit_key_text(e, "thread", part->own ? "own" : "other");
	emit_key_text(e, "state",
		      part->waited ? model_blocked_name(part->why) : "on_cpu");
	emit_key_real(e, "ms", part->ms, 3);
	emit_key_unsigned(e, "count", part->count);
	rc = json_stack(e, m, opt, part->node);
	emit_close(e, '}');
	return rc;
}

static int put_parts(struct emit *e, const struct model *m,
		     const struct report_options *opt,
		     const struct model_slow *s, unsigned most)
{
	unsigned of[2] = { 0 };
	int rc = 0;

	emit_key(e, "stacks");
	emit_open(e, '[');
	for (uint32_t i = 0; i < s->part_count && rc == 0; i++) {
		const struct model_slow_part *part = &s->parts[i];

		if (part->node != MODEL_NONE && of[part->own]++ < most)
			rc = put_part(e, m, opt, part);
	}
	emit_close(e, ']');
	return rc;
}

static bool is_of_slow(const struct model *m, const struct report_options *opt,
		       const struct model_slow *s)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		if (slowness_has(&m->endpoints[i], s))
			return slowness_is(opt, &m->endpoints[i]);
	return false;
}

/* They are sorted: the first of its endpoint is its slowest. */
static unsigned stacks_of(const struct model *m,
			  const struct report_options *opt, uint32_t index)
{
	const struct model_slow *s = &m->slow[index], *before = s - 1;

	if (is_of_slow(m, opt, s))
		return STACKS_SLOW;
	return index && before->route == s->route && before->method == s->method
		       ? 0
		       : STACKS_ELSE;
}

int json_slow_requests(struct emit *e, const struct model *m,
		       const struct report_options *opt)
{
	int rc = 0;

	json_section(e, "slow_requests", '[');
	for (uint32_t i = 0; i < m->slow_count && rc == 0; i++) {
		const struct model_slow *s = &m->slow[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_text(e, "method", s->method);
		emit_key_text(e, "route", s->route);
		emit_key_real(e, "t", s->t, 6);
		emit_key_real(e, "took_ms", s->took_ms, 6);
		emit_key_real(e, "queue_ms", s->queue_ms, 6);
		emit_key_real(e, "ttfb_ms", s->ttfb_ms, 6);
		emit_key_real(e, "gap_ms", s->gap_ms, 6);
		emit_key_real(e, "on_cpu_ms", s->on_cpu_ms, 6);
		emit_key_real(e, "off_cpu_ms", s->off_cpu_ms, 6);
		emit_key_unsigned(e, "status", s->status);
		rc = put_parts(e, m, opt, s, stacks_of(m, opt, i));
		emit_close(e, '}');
	}
	emit_close(e, ']');
	return rc;
}
