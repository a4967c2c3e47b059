/*
 * text_handlers: functions that were asked for, by the stacks that they are
 * on and the requests that they answered, as the summary has it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "profiler/model/named.h"
#include "reports/text.h"

#define INDENT 4u

static const struct text_column columns[] = {
	{ "requests", 9 }, { "p50", 8 },	{ "p95", 8 },
	{ "p99", 8 },	   { "alloc/req", 10 }, { "allocated", 10 },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_figure(const struct layout *l, size_t column, double value)
{
	char text[UNITS_TEXT_MAX] = "-";

	if (!isnan(value) && column == 0)
		units_format_count(text, (uint64_t)value);
	else if (!isnan(value) && column < 4)
		units_format_duration(text, value * 1e6);
	else if (!isnan(value))
		units_format_bytes(text, value);
	layout_put(l, text, columns[column].width, LAYOUT_RIGHT);
}

static void put_row(const struct layout *l, const struct model_handler *h)
{
	const double figures[COLUMNS] = {
		h->answers ? (double)h->requests : NAN,
		h->p50_ms,
		h->p95_ms,
		h->p99_ms,
		h->alloc_bytes_per_request,
		h->seen ? h->alloc_bytes : NAN,
	};

	for (size_t i = 0; i < COLUMNS; i++)
		put_figure(l, i, figures[i]);
	layout_fill(l, TEXT_GAP);
	layout_put(l, named_shown(h->name),
		   text_last_width(l, columns, COLUMNS), LAYOUT_LAST_TAIL);
	buf_putc(l->out, '\n');
}

/* "answers POST /chat", "works for 3 endpoints": whose times those are. */
static void put_answers(struct buf *out, const struct model_handler *h)
{
	if (h->answers == MODEL_ANSWERS_UNKNOWN)
		return;
	buf_puts(out,
		 h->answers == MODEL_ANSWERS_ROUTE ? "answers " : "works for ");
	if (!h->endpoint_count) {
		buf_puts(out, "a route that nobody asked for");
		return;
	}
	if (h->endpoint_count == 1 && h->route)
		buf_printf(out, "%s %s", h->method, h->route);
	else
		buf_printf(out, "%u endpoint%s", h->endpoint_count,
			   h->endpoint_count == 1 ? "" : "s");
	buf_puts(out, h->answers == MODEL_ANSWERS_ROUTE
			      ? " by the framework's routes"
			      : " by what it allocates");
}

static void put_part(struct buf *out, const char *much, const char *what)
{
	buf_printf(out, "%s%s %s", out->len ? "; " : "", much, what);
}

static void put_rest(struct buf *out, const struct model_handler *h)
{
	char text[UNITS_TEXT_MAX], margin[UNITS_TEXT_MAX];

	if (!isnan(h->cpu_ms)) {
		units_format_duration(text, h->cpu_ms * 1e6);
		units_format_duration(margin, h->cpu_margin_ms * 1e6);
		buf_printf(out, "%s%s +- %s on a CPU", out->len ? "; " : "",
			   text, margin);
	}
	if (!isnan(h->waiting_ms))
		put_part(out, units_format_duration(text, h->waiting_ms * 1e6),
			 "waiting");
	if (!isnan(h->live_bytes))
		put_part(out, units_format_bytes(text, h->live_bytes),
			 "alive at the end");
}

static void put_missing(struct buf *out, const struct model_handler *h)
{
	buf_puts(out, "it is on no stack: misspelt, inlined away, or it did "
		      "nothing meanwhile");
	for (uint32_t i = 0; i < h->near_count; i++)
		buf_printf(out, "%s%s", i ? ", " : "; there is ", h->near[i]);
}

static void put_handler(const struct layout *l, const struct model_handler *h)
{
	bool missing = !h->seen && !h->answers;
	struct buf line = BUF_INIT;

	put_row(l, h);
	if (missing) {
		put_missing(&line, h);
	} else {
		put_answers(&line, h);
		if (h->seen)
			put_rest(&line, h);
	}
	if (buf_status(&line) < 0) {
		l->out->failed = true;
	} else if (line.len) {
		layout_style(l, missing ? LAYOUT_ALARM : LAYOUT_FAINT);
		layout_fill(l, INDENT);
		layout_wrap(l, line.bytes, INDENT);
		layout_style(l, LAYOUT_PLAIN);
	}
	buf_free(&line);
}

void text_handlers(const struct layout *l, const struct model *m)
{
	char detail[120];

	if (!m->handler_count)
		return;
	text_heading(l, "HANDLERS",
		     "by their stacks; the times are those of whole requests");
	text_heads(l, columns, COLUMNS, "handler");
	for (uint32_t i = 0; i < m->handler_count; i++)
		put_handler(l, &m->handlers[i]);
	if (m->looks > 0) {
		snprintf(detail, sizeof(detail),
			 "  CPU by %.0f looks a second; what async ones await "
			 "is not in it",
			 m->looks);
		layout_line(l, LAYOUT_FAINT, detail);
	}
}
