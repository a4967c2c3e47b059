/*
 * text_endpoints: the requests, by method and route, as the summary has them.
 */
#include <math.h>
#include <stdio.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/text.h"

#define MOST_ENDPOINTS 8u
#define COUNT_WIDTH    10u
#define ERROR_WIDTH    7u
#define TIME_WIDTH     8u
#define BYTES_WIDTH    10u
#define ROUTE_GAP      2u
#define FIXED_WIDTH                                                     \
	(COUNT_WIDTH + ERROR_WIDTH + 4 * TIME_WIDTH + 2 * BYTES_WIDTH + \
	 ROUTE_GAP)

static void put_time(const struct layout *l, double ms)
{
	char text[UNITS_TEXT_MAX];

	layout_put(l, isnan(ms) ? "-" : units_format_duration(text, ms * 1e6),
		   TIME_WIDTH, LAYOUT_RIGHT);
}

static void put_size(const struct layout *l, double bytes)
{
	char text[UNITS_TEXT_MAX];

	layout_put(l, isnan(bytes) ? "-" : units_format_bytes(text, bytes),
		   BYTES_WIDTH, LAYOUT_RIGHT);
}

static void put_count(const struct layout *l, uint64_t n, unsigned width)
{
	char text[UNITS_TEXT_MAX];

	layout_put(l, n ? units_format_count(text, n) : "-", width,
		   LAYOUT_RIGHT);
}

static void put_heads(const struct layout *l)
{
	static const struct {
		const char *name;
		unsigned width;
	} heads[] = {
		{ "count", COUNT_WIDTH }, { "errors", ERROR_WIDTH },
		{ "p50", TIME_WIDTH },	  { "p95", TIME_WIDTH },
		{ "p99", TIME_WIDTH },	  { "ttfb95", TIME_WIDTH },
		{ "alloc", BYTES_WIDTH }, { "kept", BYTES_WIDTH },
	};

	layout_style(l, LAYOUT_FAINT);
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		layout_put(l, heads[i].name, heads[i].width, LAYOUT_RIGHT);
	layout_fill(l, ROUTE_GAP);
	layout_put(l, "route", l->columns - FIXED_WIDTH, LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

static void put_endpoint(const struct layout *l, const struct model_endpoint *p)
{
	char route[256];

	put_count(l, p->count, COUNT_WIDTH);
	layout_style(l, p->errors ? LAYOUT_ALARM : LAYOUT_PLAIN);
	put_count(l, p->errors, ERROR_WIDTH);
	layout_style(l, LAYOUT_PLAIN);
	put_time(l, p->p50_ms);
	put_time(l, p->p95_ms);
	put_time(l, p->p99_ms);
	put_time(l, p->ttfb_p95_ms);
	put_size(l, p->alloc_bytes_per_request);
	put_size(l, p->retained_bytes_per_request);
	layout_fill(l, ROUTE_GAP);
	snprintf(route, sizeof(route), "%s %s", p->method, p->route);
	layout_put(l, route, l->columns - FIXED_WIDTH, LAYOUT_LAST_TAIL);
	buf_putc(l->out, '\n');
}

void text_endpoints(const struct layout *l, const struct model *m)
{
	char detail[128], count[UNITS_TEXT_MAX];

	if (!m->endpoint_count)
		return;
	snprintf(detail, sizeof(detail),
		 "%s answered at %u endpoints; memory is per request",
		 units_format_count(count, m->requests), m->endpoint_count);
	text_heading(l, "REQUESTS", detail);
	put_heads(l);
	for (uint32_t i = 0; i < m->endpoint_count && i < MOST_ENDPOINTS; i++)
		put_endpoint(l, &m->endpoints[i]);
	if (m->endpoint_count > MOST_ENDPOINTS) {
		snprintf(detail, sizeof(detail), "%*s  and %u more",
			 FIXED_WIDTH, "", m->endpoint_count - MOST_ENDPOINTS);
		layout_line(l, LAYOUT_FAINT, detail);
	}
}
