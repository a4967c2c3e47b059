/*
 * text_courses: how the latencies of endpoints went, as the summary has them.
 */
#include <math.h>
#include <stdio.h>

#include "profiler/analysis/drift.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/slow_words.h"
#include "reports/text.h"

#define MOST_ENDPOINTS 8u
#define LEAST_WINDOWS  4u /* fewer are no course */
#define LINE_WIDTH     28u
#define FIGURE_WIDTH   9u

struct course_line {
	uint32_t windows; /* with requests */
	double low_ms, high_ms;
};

static struct course_line line_of(const struct model *m,
				  const struct model_endpoint *p)
{
	struct course_line line = { 0, INFINITY, 0 };

	for (uint32_t w = 0; p->course && w < m->course_count; w++) {
		if (!p->course[w].count)
			continue;
		line.windows++;
		line.low_ms = fmin(line.low_ms, p->course[w].p95_ms);
		line.high_ms = fmax(line.high_ms, p->course[w].p95_ms);
	}
	return line;
}

static void put_figure(const struct layout *l, double ms)
{
	char text[UNITS_TEXT_MAX];

	layout_put(l, units_format_duration(text, ms * 1e6), FIGURE_WIDTH,
		   LAYOUT_RIGHT);
}

static void put_course(const struct layout *l, const struct model *m,
		       const struct model_endpoint *p,
		       const struct course_line *line)
{
	unsigned used =
		2 + LINE_WIDTH + 2 * FIGURE_WIDTH + FIGURE_WIDTH + TEXT_GAP;
	struct buf route = BUF_INIT, values = BUF_INIT;
	struct drift d;

	drift_of(&d, m, p);
	for (uint32_t w = 0; w < m->course_count; w++)
		buf_write(&values, &p->course[w].p95_ms, sizeof(double));
	buf_printf(&route, "%s %s", p->method, p->route);
	if (values.failed || route.failed) {
		l->out->failed = true;
	} else {
		layout_fill(l, 2);
		layout_sparkline(l, (const double *)(void *)values.bytes,
				 m->course_count, LINE_WIDTH);
		put_figure(l, line->low_ms);
		put_figure(l, line->high_ms);
		if (d.class == DRIFT_RISES)
			layout_style(l, LAYOUT_ALARM);
		layout_put(l,
			   d.class == DRIFT_UNKNOWN ? "-" : drift_name(d.class),
			   FIGURE_WIDTH, LAYOUT_RIGHT);
		layout_style(l, LAYOUT_PLAIN);
		layout_fill(l, TEXT_GAP);
		layout_put(l, route.bytes, l->columns - used, LAYOUT_LAST_TAIL);
		buf_putc(l->out, '\n');
	}
	buf_free(&route);
	buf_free(&values);
}

static void put_heads(const struct layout *l)
{
	layout_style(l, LAYOUT_FAINT);
	layout_fill(l, 2);
	layout_put(l, "p95 over time", LINE_WIDTH, LAYOUT_LEFT);
	layout_put(l, "least", FIGURE_WIDTH, LAYOUT_RIGHT);
	layout_put(l, "most", FIGURE_WIDTH, LAYOUT_RIGHT);
	layout_put(l, "trend", FIGURE_WIDTH, LAYOUT_RIGHT);
	layout_fill(l, TEXT_GAP);
	layout_put(l, "route", 5, LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

static void put_drifts(const struct layout *l, const struct model *m)
{
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		struct buf line = BUF_INIT;

		buf_puts(&line, "  ");
		if (slowness_put_drift(&line, m, &m->endpoints[i]) &&
		    !line.failed)
			layout_line(l, LAYOUT_FAINT, line.bytes);
		l->out->failed |= line.failed;
		buf_free(&line);
	}
}

void text_courses(const struct layout *l, const struct model *m)
{
	char detail[80], seconds[UNITS_TEXT_MAX];
	unsigned count = 0;

	for (uint32_t i = 0; i < m->endpoint_count && count < MOST_ENDPOINTS;
	     i++) {
		struct course_line line = line_of(m, &m->endpoints[i]);

		if (line.windows < LEAST_WINDOWS)
			continue;
		if (!count++) {
			snprintf(detail, sizeof(detail), "%u windows of %s",
				 m->course_count,
				 units_format_duration(
					 seconds, m->course_seconds * 1e9));
			text_heading(l, "LATENCY", detail);
			put_heads(l);
		}
		put_course(l, m, &m->endpoints[i], &line);
	}
	if (count)
		put_drifts(l, m);
}
