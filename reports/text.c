/*
 * Text: what a person reads in the terminal after a run, about one screen of
 * it: which server, its memory over time and what it is made of, who holds
 * it, what was lost and what the profiler cost.
 */
#include "reports/text.h"

#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/formats.h"
#include "reports/names.h"

#define DEFAULT_COLUMNS 80u
#define MIN_COLUMNS	72u
#define MAX_COLUMNS	160u

unsigned text_last_width(const struct layout *l,
			 const struct text_column *columns, size_t count)
{
	unsigned width = l->columns - TEXT_GAP;

	for (size_t i = 0; i < count; i++)
		width -= columns[i].width;
	return width;
}

void text_heads(const struct layout *l, const struct text_column *columns,
		size_t count, const char *last)
{
	layout_style(l, LAYOUT_FAINT);
	for (size_t i = 0; i < count; i++)
		layout_put(l, columns[i].name, columns[i].width, LAYOUT_RIGHT);
	layout_fill(l, TEXT_GAP);
	layout_put(l, last, text_last_width(l, columns, count), LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

void text_heading(const struct layout *l, const char *title, const char *detail)
{
	buf_putc(l->out, '\n');
	layout_style(l, LAYOUT_TITLE);
	layout_put(l, title, TEXT_LABEL_WIDTH, LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	if (detail[0]) {
		layout_fill(l, 2);
		layout_style(l, LAYOUT_FAINT);
		layout_put(l, detail, l->columns - TEXT_LABEL_WIDTH,
			   LAYOUT_LAST);
		layout_style(l, LAYOUT_PLAIN);
	}
	buf_putc(l->out, '\n');
}

void text_labelled(const struct layout *l, const char *label,
		   enum layout_style style, const char *text)
{
	layout_style(l, LAYOUT_TITLE);
	layout_put(l, label, TEXT_LABEL_WIDTH, LAYOUT_LEFT);
	layout_style(l, LAYOUT_PLAIN);
	layout_style(l, style);
	layout_wrap(l, text, TEXT_LABEL_WIDTH);
	layout_style(l, LAYOUT_PLAIN);
}

static void put_server(const struct layout *l, const struct model *m)
{
	const struct model_process *p = m->main_process < m->process_count
						? &m->processes[m->main_process]
						: NULL;
	char detail[400];

	if (!p) {
		text_labelled(l, "server", LAYOUT_PLAIN,
			      m->command ? m->command : "unknown");
		return;
	}
	text_labelled(l, "server", LAYOUT_PLAIN, p->command);
	snprintf(detail, sizeof(detail), "pid %d, %s, allocator %s", p->pid,
		 p->exe, p->allocator ? p->allocator : "unknown");
	text_labelled(l, "", LAYOUT_FAINT, detail);
}

static void put_recording(const struct layout *l, const struct model *m)
{
	char duration[UNITS_TEXT_MAX];
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s, %s, ", m->name,
		   units_format_duration(duration, m->duration * 1e9));
	name_put_mode(&text, m);
	if (m->host && m->host[0])
		buf_printf(&text, ", on %s", m->host);
	if (buf_status(&text) < 0)
		l->out->failed = true;
	else
		text_labelled(l, "recording", LAYOUT_PLAIN, text.bytes);
	buf_free(&text);
	if (m->torn)
		text_labelled(l, "", LAYOUT_ALARM,
			      "It ended without an orderly exit; the last "
			      "record of each thread may be missing.");
}

int report_text(const struct model *m, const struct report_options *opt,
		struct buf *out)
{
	struct layout l = {
		.out = out,
		.columns = opt->columns ? opt->columns : DEFAULT_COLUMNS,
		.color = opt->color,
	};
	int rc;

	if (l.columns < MIN_COLUMNS)
		l.columns = MIN_COLUMNS;
	if (l.columns > MAX_COLUMNS)
		l.columns = MAX_COLUMNS;
	put_server(&l, m);
	put_recording(&l, m);
	text_verdict(&l, opt->verdict);
	text_memory(&l, m);
	text_endpoints(&l, m, opt->checks);
	text_courses(&l, m);
	text_slow(&l, m, opt);
	text_spans(&l, m);
	text_handlers(&l, m);
	text_phases(&l, m);
	rc = text_sites(&l, m, opt);
	buf_putc(out, '\n');
	text_traffic(&l, m);
	text_processes(&l, m);
	text_reach(&l, m);
	text_losses(&l, m);
	text_problems(&l, m);
	text_cost(&l, m);
	return rc < 0 ? rc : buf_status(out);
}
