/*
 * text_spans: what the program has named, as the summary has it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/text.h"

#define MOST_SPANS 12u

static const struct text_column columns[] = {
	{ "count", 9 }, { "p50", 8 },  { "p95", 8 },
	{ "p99", 8 },	{ "busy", 8 }, { "alloc/span", 11 },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_span(const struct layout *l, const struct model_span *s)
{
	const double times[] = { s->p50_ms, s->p95_ms, s->p99_ms, s->busy_ms };
	char text[UNITS_TEXT_MAX];

	units_format_count(text, s->count);
	layout_put(l, text, columns[0].width, LAYOUT_RIGHT);
	for (size_t i = 0; i < 4; i++) {
		units_format_duration(text, times[i] * 1e6);
		layout_put(l, text, columns[1 + i].width, LAYOUT_RIGHT);
	}
	if (isnan(s->alloc_bytes_per_span))
		strcpy(text, "-");
	else
		units_format_bytes(text, s->alloc_bytes_per_span);
	layout_put(l, text, columns[5].width, LAYOUT_RIGHT);
	layout_fill(l, TEXT_GAP);
	layout_put(l, s->name, text_last_width(l, columns, COLUMNS),
		   LAYOUT_LAST_TAIL);
	buf_putc(l->out, '\n');
}

void text_spans(const struct layout *l, const struct model *m)
{
	char detail[96];

	if (!m->span_count)
		return;
	text_heading(l, "SPANS", "named by the program");
	text_heads(l, columns, COLUMNS, "span");
	for (uint32_t i = 0; i < m->span_count && i < MOST_SPANS; i++)
		put_span(l, &m->spans[i]);
	if (m->span_count > MOST_SPANS) {
		snprintf(detail, sizeof(detail), "  and %u more spans",
			 m->span_count - MOST_SPANS);
		layout_line(l, LAYOUT_FAINT, detail);
	}
	if (m->spans_forgotten) {
		snprintf(detail, sizeof(detail),
			 "  %llu were given up: too many were open at a time",
			 (unsigned long long)m->spans_forgotten);
		layout_line(l, LAYOUT_ALARM, detail);
	}
}
