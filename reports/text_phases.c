/*
 * text_phases: what happened between marks, as the summary has it.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/analysis/phases.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/text.h"

#define MOST_PHASES 24u

static const struct text_column columns[] = {
	{ "from", 7 },	     { "lasted", 7 },	 { "requests", 9 },
	{ "mean", 8 },	     { "resident", 12 }, /* "+1000.0 KiB" */
	{ "live heap", 12 },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void put_time(const struct layout *l, unsigned column, double ns)
{
	char text[UNITS_TEXT_MAX] = "-";

	if (!isnan(ns))
		units_format_duration(text, ns);
	layout_put(l, text, columns[column].width, LAYOUT_RIGHT);
}

/* "+12.0 MiB": by how much it changed. */
static void put_change(const struct layout *l, unsigned column, double before,
		       double after)
{
	char size[UNITS_TEXT_MAX], text[UNITS_TEXT_MAX + 1] = "-";
	double by = after - before;

	if (!isnan(by)) {
		units_format_bytes(size, fabs(by));
		snprintf(text, sizeof(text), "%s%s",
			 by > 0	  ? "+"
			 : by < 0 ? "-"
				  : "",
			 size);
	}
	layout_put(l, text, columns[column].width, LAYOUT_RIGHT);
}

static void put_phase(const struct layout *l, const struct phase *p)
{
	char text[UNITS_TEXT_MAX];

	put_time(l, 0, p->from * 1e9);
	put_time(l, 1, (p->to - p->from) * 1e9);
	units_format_count(text, round(p->requests));
	layout_put(l, text, columns[2].width, LAYOUT_RIGHT);
	put_time(l, 3, p->mean_ms * 1e6);
	put_change(l, 4, p->begin.rss, p->end.rss);
	put_change(l, 5, p->begin.live, p->end.live);
	layout_fill(l, TEXT_GAP);
	layout_put(l, p->label ? p->label : "(before the first mark)",
		   text_last_width(l, columns, COLUMNS), LAYOUT_LAST);
	buf_putc(l->out, '\n');
}

void text_phases(const struct layout *l, const struct model *m)
{
	uint32_t count = phases_count(m);
	char detail[64];

	if (!count)
		return;
	text_heading(l, "PHASES", "between marks; what memory gained");
	text_heads(l, columns, COLUMNS, "phase");
	for (uint32_t i = 0; i < count && i < MOST_PHASES; i++) {
		struct phase p;

		phases_get(m, i, &p);
		put_phase(l, &p);
	}
	if (count > MOST_PHASES) {
		snprintf(detail, sizeof(detail), "  and %u more phases",
			 count - MOST_PHASES);
		layout_line(l, LAYOUT_FAINT, detail);
	}
}
