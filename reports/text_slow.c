/*
 * text_slow: endpoints that are slow, and where the time of their slowest
 * requests went, as the summary has them.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/text.h"

#define SLOW_MS	  1000 /* of p95 */
#define MOST_SLOW 8u   /* endpoints */

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

static void put_endpoint(const struct layout *l, const struct model *m,
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
		if (strcmp(m->slow[i].route, p->route) != 0 ||
		    strcmp(m->slow[i].method, p->method) != 0)
			continue;
		units_format_duration(at, m->slow[i].t * 1e9);
		put_row(l, at, &m->slow[i]);
	}
}

void text_slow(const struct layout *l, const struct model *m)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		if (!(m->endpoints[i].p95_ms > SLOW_MS) || count == MOST_SLOW)
			continue;
		if (!count++) {
			text_heading(l, "SLOW",
				     "endpoints with a p95 above 1 s, and "
				     "their slowest requests");
			text_heads(l, columns, COLUMNS, "route");
		}
		put_endpoint(l, m, &m->endpoints[i]);
	}
}
