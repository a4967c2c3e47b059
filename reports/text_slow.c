/*
 * text_slow: endpoints that are slow, and where the time of their slowest
 * requests went, as the summary has them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/slow_words.h"
#include "reports/text.h"

#define MOST_SLOW 8u /* endpoints */
#define STACKS	  2u /* of own threads, and of others */

static const struct text_column columns[] = {
	{ "at", 9 },	    { "took", 9 },    { "unread", 9 },
	{ "to first", 10 }, { "to last", 9 }, { "on CPU", 9 }
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Until the server had read it, from then to the first byte, to the last. */
static void put_row(const struct layout *l, const char *at,
		    const struct model_slow *s)
{
	const double times[] = { s->took_ms, s->queue_ms,
				 fmax(s->ttfb_ms - s->queue_ms, 0),
				 fmax(s->took_ms - s->ttfb_ms, 0),
				 s->on_cpu_ms };
	char text[UNITS_TEXT_MAX], route[200];

	layout_put(l, at, columns[0].width, LAYOUT_RIGHT);
	for (size_t i = 1; i < COLUMNS; i++) {
		if (isnan(times[i - 1]))
			strcpy(text, "-");
		else
			units_format_duration(text, times[i - 1] * 1e6);
		layout_put(l, text, columns[i].width, LAYOUT_RIGHT);
	}
	layout_fill(l, TEXT_GAP);
	snprintf(route, sizeof(route), "%s %s", s->method, s->route);
	layout_put(l, route, text_last_width(l, columns, COLUMNS),
		   LAYOUT_LAST_TAIL);
	buf_putc(l->out, '\n');
}

/* What a thread did, and the stacks on which most of that was. */
static void put_thread(const struct layout *l, const char *whose,
		       const struct slow_time *t, double whole_ms)
{
	struct buf line = BUF_INIT;
	size_t before;

	buf_printf(&line, "%*s: ", (int)(columns[0].width + columns[1].width),
		   whose);
	before = line.len;
	slowness_put_time(&line, t, whole_ms);
	if (line.failed)
		l->out->failed = true;
	else if (line.len > before)
		layout_line(l, LAYOUT_PLAIN, line.bytes);
	buf_free(&line);
}

static void put_stacks(const struct layout *l, const struct model *m,
		       const struct report_options *opt,
		       const struct model_endpoint *p, const struct slowness *s)
{
	const struct model_slow_part *parts[2 * STACKS];
	size_t count = slowness_stacks(m, p, s, parts, STACKS);
	char time[UNITS_TEXT_MAX];

	for (size_t i = 0; i < count; i++) {
		struct buf line = BUF_INIT;

		buf_printf(&line, "%*s %s%s: ",
			   (int)(columns[0].width + columns[1].width),
			   units_format_duration(time, parts[i]->ms * 1e6),
			   slowness_state(parts[i]->waited, parts[i]->why),
			   parts[i]->own ? "" : ", on another thread");
		slowness_put_stack(&line, m, opt, parts[i]->node);
		if (line.failed)
			l->out->failed = true;
		else
			layout_line(l, LAYOUT_FAINT, line.bytes);
		buf_free(&line);
	}
}

static void put_where(const struct layout *l, const struct model *m,
		      const struct report_options *opt,
		      const struct model_endpoint *p)
{
	struct slowness s;

	slowness_of(&s, m, p);
	if (!s.requests || !s.seen)
		return;
	put_thread(l, "its thread", &s.own, s.took_ms);
	if (s.handed_on)
		put_thread(l, "other threads", &s.others, s.took_ms);
	put_stacks(l, m, opt, p, &s);
}

static void put_endpoint(const struct layout *l, const struct model *m,
			 const struct report_options *opt,
			 const struct model_endpoint *p)
{
	const struct model_slow typical = {
		.method = p->method,
		.route = p->route,
		.took_ms = p->p95_ms,
		.queue_ms = p->queue_p95_ms,
		.ttfb_ms = p->ttfb_p95_ms,
		.on_cpu_ms = NAN,
	};
	char at[UNITS_TEXT_MAX];

	put_row(l, "p95", &typical);
	for (uint32_t i = 0; i < m->slow_count; i++) {
		if (!slowness_has(p, &m->slow[i]))
			continue;
		units_format_duration(at, m->slow[i].t * 1e9);
		put_row(l, at, &m->slow[i]);
	}
	put_where(l, m, opt, p);
}

static void put_title(const struct layout *l, const struct report_options *opt)
{
	struct buf detail = BUF_INIT;

	buf_puts(&detail, "endpoints with a p95 above ");
	slowness_put_limit(&detail, opt);
	buf_puts(&detail, ", and their slowest requests");
	if (detail.failed)
		l->out->failed = true;
	else
		text_heading(l, "SLOW", detail.bytes);
	buf_free(&detail);
	text_heads(l, columns, COLUMNS, "route");
}

void text_slow(const struct layout *l, const struct model *m,
	       const struct report_options *opt)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		if (!slowness_is(opt, &m->endpoints[i]) || count == MOST_SLOW)
			continue;
		if (!count++)
			put_title(l, opt);
		put_endpoint(l, m, opt, &m->endpoints[i]);
	}
}
