/*
 * text_endpoints: the requests, by method and route, as the summary has them.
 * Where the terminal is wide there is more of each.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/rating.h"
#include "reports/text.h"

#define MOST_ENDPOINTS 8u
#define ROUTE_GAP      2u
#define RATING_WIDTH   14u

struct column {
	const char *name;
	unsigned width;
	unsigned from; /* terminals of so many columns on */
	void (*put)(char out[UNITS_TEXT_MAX], const struct model_endpoint *p);
};

static void put_time(char out[UNITS_TEXT_MAX], double ms)
{
	if (isnan(ms))
		snprintf(out, UNITS_TEXT_MAX, "-");
	else
		units_format_duration(out, ms * 1e6);
}

static void put_bytes(char out[UNITS_TEXT_MAX], double bytes)
{
	if (isnan(bytes))
		snprintf(out, UNITS_TEXT_MAX, "-");
	else
		units_format_bytes(out, bytes);
}

static void put_count(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	units_format_count(out, p->count);
}

static void put_errors(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	if (p->errors)
		units_format_count(out, p->errors);
	else
		snprintf(out, UNITS_TEXT_MAX, "-");
}

static void put_p50(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_time(out, p->p50_ms);
}

static void put_p95(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_time(out, p->p95_ms);
}

static void put_p99(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_time(out, p->p99_ms);
}

static void put_first(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_time(out, p->ttfb_p95_ms);
}

static void put_queue(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_time(out, p->queue_p95_ms);
}

static void put_alloc(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_bytes(out, p->alloc_bytes_per_request);
}

static void put_kept(char out[UNITS_TEXT_MAX], const struct model_endpoint *p)
{
	put_bytes(out, p->retained_bytes_per_request);
}

static void put_corrected(char out[UNITS_TEXT_MAX],
			  const struct model_endpoint *p)
{
	put_time(out, p->corrected.p99_ms > 0 ? p->corrected.p99_ms : NAN);
}

static const struct column columns[] = {
	{ "count", 9, 0, put_count },
	{ "errors", 7, 0, put_errors },
	{ "p50", 8, 0, put_p50 },
	{ "p95", 8, 0, put_p95 },
	{ "p99", 8, 96, put_p99 },
	{ "corrected", 10, 96, put_corrected },
	{ "ttfb p95", 9, 112, put_first },
	{ "queue p95", 10, 112, put_queue },
	{ "alloc/req", 10, 0, put_alloc },
	{ "kept/req", 10, 96, put_kept },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Nothing is corrected under a load that does not wait. */
static bool is_shown(const struct layout *l, const struct model *m,
		     const struct column *c)
{
	return l->columns >= c->from &&
	       (c->put != put_corrected || m->load.kind == MODEL_LOAD_CLOSED);
}

static unsigned route_width(const struct layout *l, const struct model *m,
			    const struct checks *checks)
{
	unsigned width = l->columns - ROUTE_GAP - (checks ? RATING_WIDTH : 0);

	for (size_t i = 0; i < COLUMNS; i++)
		if (is_shown(l, m, &columns[i]))
			width -= columns[i].width;
	return width;
}

static void put_heads(const struct layout *l, const struct model *m,
		      const struct checks *checks)
{
	layout_style(l, LAYOUT_FAINT);
	for (size_t i = 0; i < COLUMNS; i++)
		if (is_shown(l, m, &columns[i]))
			layout_put(l, columns[i].name, columns[i].width,
				   LAYOUT_RIGHT);
	if (checks)
		layout_put(l, "rating", RATING_WIDTH, LAYOUT_RIGHT);
	layout_fill(l, ROUTE_GAP);
	layout_put(l, "route", route_width(l, m, checks), LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

static void put_rating(const struct layout *l, enum rating rating)
{
	if (rating == RATING_FAIL)
		layout_style(l, LAYOUT_ALARM);
	layout_put(l, rating_name(rating), RATING_WIDTH, LAYOUT_RIGHT);
	if (rating == RATING_FAIL)
		layout_style(l, LAYOUT_PLAIN);
}

static void put_endpoint(const struct layout *l, const struct model *m,
			 const struct checks *checks,
			 const struct model_endpoint *p)
{
	char text[UNITS_TEXT_MAX], method[24];
	unsigned width;

	for (size_t i = 0; i < COLUMNS; i++) {
		bool alarm = columns[i].put == put_errors && p->errors;

		if (!is_shown(l, m, &columns[i]))
			continue;
		columns[i].put(text, p);
		if (alarm)
			layout_style(l, LAYOUT_ALARM);
		layout_put(l, text, columns[i].width, LAYOUT_RIGHT);
		if (alarm)
			layout_style(l, LAYOUT_PLAIN);
	}
	if (checks)
		put_rating(l, rating_of(checks, p));
	layout_fill(l, ROUTE_GAP);
	snprintf(method, sizeof(method), "%s ", p->method);
	width = layout_cells(method);
	layout_put(l, method, width, LAYOUT_LEFT);
	layout_put(l, p->route, route_width(l, m, checks) - width,
		   LAYOUT_LAST_TAIL);
	buf_putc(l->out, '\n');
}

static const char *timed_by(const struct model *m)
{
	if (m->requests_by_kernel)
		return m->requests_by_shim ? ", timed in part by the kernel"
					   : ", timed by the kernel";
	return m->requests_by_shim ? ", timed in the server" : "";
}

/* "12,000 answered on 8 connections, timed by the kernel; 2 not HTTP/1" */
static void describe(char *out, size_t size, const struct model *m)
{
	char requests[UNITS_TEXT_MAX], count[UNITS_TEXT_MAX];
	uint64_t spoke = m->connections - m->foreign;
	int used = snprintf(out, size, "%s answered on %s connection%s%s",
			    units_format_count(requests, m->requests),
			    units_format_count(count, spoke),
			    spoke == 1 ? "" : "s", timed_by(m));

	if (m->foreign && used > 0 && (size_t)used < size)
		snprintf(out + used, size - (size_t)used, "; %s not HTTP/1",
			 units_format_count(count, m->foreign));
}

/*
 * Clients that wait for answers send no requests meanwhile: of the endpoint
 * that is the worse for it, what its p99 were with them.
 */
static void put_correction(const struct layout *l, const struct model *m)
{
	const struct model_endpoint *worst = NULL;
	char line[320], raw[UNITS_TEXT_MAX], with[UNITS_TEXT_MAX];
	double most = 0;
	bool told;

	if (m->load.kind != MODEL_LOAD_CLOSED)
		return;
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		const struct model_endpoint *p = &m->endpoints[i];
		double more = p->corrected.p99_ms - p->p99_ms;

		if (isfinite(more) && (!worst || more > most)) {
			worst = p;
			most = more;
		}
	}
	if (!worst)
		return;
	units_format_duration(with, worst->corrected.p99_ms * 1e6);
	units_format_duration(raw, worst->p99_ms * 1e6);
	told = strcmp(with, raw) != 0;
	snprintf(line, sizeof(line),
		 "  closed loop: about %.0f clients, each of which waits for "
		 "its answer%s",
		 m->load.clients, told ? "; with what" : "");
	layout_line(l, LAYOUT_FAINT, line);
	if (!told)
		return;
	snprintf(line, sizeof(line),
		 "  they did not ask meanwhile p99 is %s, not %s: %.100s "
		 "%.100s",
		 with, raw, worst->method, worst->route);
	layout_line(l, LAYOUT_FAINT, line);
}

/* What was not seen, and the next best way to see it. */
static void put_unseen(const struct layout *l, const struct model *m)
{
	char detail[160], count[UNITS_TEXT_MAX];

	if (m->sealed) {
		snprintf(detail, sizeof(detail),
			 "  %s carried TLS unseen; --http-by bpf, as root, "
			 "looks into more of it",
			 units_format_count(count, m->sealed));
		layout_line(l, LAYOUT_FAINT, detail);
	}
	if (m->foreign > m->sealed && !m->endpoint_count)
		layout_line(l, LAYOUT_FAINT,
			    "  --handler FUNCTION, or a span of strandline.h, "
			    "times what else it does");
}

static void put_none(const struct layout *l, const struct model *m)
{
	char detail[160], count[UNITS_TEXT_MAX];

	if (!m->foreign)
		return;
	snprintf(detail, sizeof(detail),
		 "none: %s connections did not speak HTTP/1",
		 units_format_count(count, m->foreign));
	text_heading(l, "REQUESTS", detail);
	put_unseen(l, m);
}

void text_endpoints(const struct layout *l, const struct model *m,
		    const struct checks *checks)
{
	char detail[160];

	if (!m->endpoint_count) {
		put_none(l, m);
		return;
	}
	describe(detail, sizeof(detail), m);
	text_heading(l, "REQUESTS", detail);
	put_heads(l, m, checks);
	for (uint32_t i = 0; i < m->endpoint_count && i < MOST_ENDPOINTS; i++)
		put_endpoint(l, m, checks, &m->endpoints[i]);
	put_correction(l, m);
	if (m->endpoint_count > MOST_ENDPOINTS) {
		snprintf(detail, sizeof(detail), "  and %u more routes",
			 m->endpoint_count - MOST_ENDPOINTS);
		layout_line(l, LAYOUT_FAINT, detail);
	}
	put_unseen(l, m);
}
