/*
 * text_handlers: functions that were asked for, by the stacks that they are
 * on, as the summary has it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/text.h"

static const struct text_column columns[] = {
	{ "on CPU", 8 },     { "+-", 8 },     { "waiting", 8 },
	{ "allocated", 10 }, { "alive", 10 }, { "alloc/req", 10 },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_figure(const struct layout *l, size_t column, double value)
{
	char text[UNITS_TEXT_MAX] = "-";

	if (!isnan(value) && column < 3)
		units_format_duration(text, value * 1e6);
	else if (!isnan(value))
		units_format_bytes(text, value);
	layout_put(l, text, columns[column].width, LAYOUT_RIGHT);
}

/* Its prefix says nothing here. */
static const char *name_of(const struct model_handler *h)
{
	static const char python[] = "python:";
	const size_t len = sizeof(python) - 1;

	return strncmp(h->name, python, len) ? h->name : h->name + len;
}

static void put_handler(const struct layout *l, const struct model_handler *h)
{
	const double figures[COLUMNS] = {
		h->cpu_ms,	h->cpu_margin_ms, h->waiting_ms,
		h->alloc_bytes, h->live_bytes,	  h->alloc_bytes_per_request,
	};

	for (size_t i = 0; i < COLUMNS; i++)
		put_figure(l, i, h->seen ? figures[i] : NAN);
	layout_fill(l, TEXT_GAP);
	layout_put(l, name_of(h), text_last_width(l, columns, COLUMNS),
		   LAYOUT_LAST_TAIL);
	buf_putc(l->out, '\n');
	if (!h->seen)
		layout_line(l, LAYOUT_ALARM,
			    "  it is on no stack: misspelt, inlined away, "
			    "or it did nothing meanwhile");
}

void text_handlers(const struct layout *l, const struct model *m)
{
	char detail[96];

	if (!m->handler_count)
		return;
	text_heading(l, "HANDLERS", "by the stacks that they are on");
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
