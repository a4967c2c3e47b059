/*
 * text_memory: RSS and its companions over time, and what RSS is made of.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/ledger.h"
#include "reports/text.h"

#define NAME_WIDTH   20u
#define FIGURE_WIDTH 12u

/* Growth per second, minute or hour: whichever gives a figure to remember. */
static void format_growth(char out[2 * UNITS_TEXT_MAX],
			  const struct model_trend *t, double duration,
			  bool bytes)
{
	static const struct {
		double seconds;
		const char *name;
	} spans[] = { { 1, "/s" }, { 60, "/min" }, { 3600, "/h" } };
	double least = bytes ? 1024 : 1, per_second = t->growth_per_second;
	char figure[UNITS_TEXT_MAX];
	size_t span = 0;

	/* Less than a page, or one thread, over all that was seen. */
	if (fabs(per_second) * duration < (bytes ? 4096 : 1)) {
		snprintf(out, 2 * UNITS_TEXT_MAX, "none");
		return;
	}
	while (span < 2 && fabs(per_second) * spans[span].seconds < least)
		span++;
	per_second *= spans[span].seconds;
	if (bytes)
		units_format_bytes(figure, per_second);
	else
		snprintf(figure, sizeof(figure), "%.1f", per_second);
	snprintf(out, 2 * UNITS_TEXT_MAX, "%s%s%s", per_second > 0 ? "+" : "",
		 figure, spans[span].name);
}

static void put_figure(const struct layout *l, double value, bool bytes)
{
	char text[UNITS_TEXT_MAX];

	if (bytes)
		units_format_bytes(text, value);
	else
		units_format_count(text, (uint64_t)fmax(0, round(value)));
	layout_put(l, text, FIGURE_WIDTH, LAYOUT_RIGHT);
}

static void put_trend(const struct layout *l, const struct model *m,
		      const char *name, const struct model_trend *t, bool bytes)
{
	char growth[2 * UNITS_TEXT_MAX];

	if (t->peak <= 0)
		return;
	format_growth(growth, t, m->duration, bytes);
	layout_put(l, name, NAME_WIDTH, LAYOUT_LEFT);
	put_figure(l, t->baseline, bytes);
	put_figure(l, t->peak, bytes);
	put_figure(l, t->final, bytes);
	layout_put(l, growth, FIGURE_WIDTH + 2, LAYOUT_RIGHT);
	buf_putc(l->out, '\n');
}

static void put_trends(const struct layout *l, const struct model *m)
{
	static const char *const heads[] = { "baseline", "peak", "final" };

	layout_style(l, LAYOUT_TITLE);
	layout_put(l, "MEMORY", NAME_WIDTH, LAYOUT_LEFT);
	layout_style(l, LAYOUT_PLAIN);
	layout_style(l, LAYOUT_FAINT);
	for (size_t i = 0; i < 3; i++)
		layout_put(l, heads[i], FIGURE_WIDTH, LAYOUT_RIGHT);
	layout_put(l, "growth", FIGURE_WIDTH + 2, LAYOUT_RIGHT);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
	put_trend(l, m, "resident (RSS)", &m->rss_trend, true);
	put_trend(l, m, "live heap", &m->live_trend, true);
	put_trend(l, m, "threads", &m->thread_trend, false);
	put_trend(l, m, "open files", &m->fd_trend, false);
}

/* The main process's readings of one column; NAN where it was not read. */
static void put_sparkline(const struct layout *l, const struct model *m,
			  const char *name, const struct ledger_column *column)
{
	double *values = malloc((m->ledger_count + 1) * sizeof(*values));
	int32_t pid = ledger_main_pid(m);
	size_t count = 0;

	if (!values) {
		l->out->failed = true;
		return;
	}
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		uint64_t value = ledger_value(&m->ledger[i], column);

		if (m->ledger[i].pid == pid)
			values[count++] =
				value == LEDGER_UNREAD ? NAN : (double)value;
	}
	if (count > 1) {
		layout_put(l, name, NAME_WIDTH, LAYOUT_LEFT);
		layout_style(l, LAYOUT_ACCENT);
		layout_sparkline(l, values, count, l->columns - NAME_WIDTH);
		layout_style(l, LAYOUT_PLAIN);
		buf_putc(l->out, '\n');
	}
	free(values);
}

static void put_part(const struct layout *l, const char *name, uint64_t bytes,
		     uint64_t rss)
{
	double share = rss > 0 ? (double)bytes / (double)rss : 0;
	char text[UNITS_TEXT_MAX];

	if (bytes == LEDGER_UNREAD)
		return;
	layout_put(l, name, NAME_WIDTH, LAYOUT_LEFT);
	layout_put(l, units_format_bytes(text, (double)bytes), FIGURE_WIDTH,
		   LAYOUT_RIGHT);
	snprintf(text, sizeof(text), "%.1f%%", share * 100);
	layout_put(l, text, 8, LAYOUT_RIGHT);
	layout_fill(l, 2);
	layout_style(l, LAYOUT_ACCENT);
	layout_bar(l, share, l->columns - NAME_WIDTH - FIGURE_WIDTH - 10);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

/* Within the parts above, not beside them. */
static void put_arenas(const struct layout *l, const struct model *m)
{
	const struct model_ledger_point *p =
		ledger_last(m, ledger_column("python_arenas"));
	char size[UNITS_TEXT_MAX], used[32];

	if (!p || !p->python_arenas)
		return;
	snprintf(used, sizeof(used), "%.0f%% used",
		 (double)p->python_used / (double)p->python_arenas * 100);
	layout_put(l, "of it Python arenas", NAME_WIDTH, LAYOUT_LEFT);
	layout_put(l, units_format_bytes(size, (double)p->python_arenas),
		   FIGURE_WIDTH, LAYOUT_RIGHT);
	layout_put(l, used, 12, LAYOUT_RIGHT);
	buf_putc(l->out, '\n');
}

static void put_absent(const struct layout *l, const struct model *m,
		       const struct ledger_split *s)
{
	char text[256], absent[UNITS_TEXT_MAX], all[UNITS_TEXT_MAX];

	if (s->absent <= s->rss / 100)
		return;
	snprintf(text, sizeof(text),
		 "%s more of live heap (%s in all%s) are in no page of RSS: "
		 "asked for and never touched.",
		 units_format_bytes(absent, (double)s->absent),
		 units_format_bytes(all, (double)(s->live + s->absent)),
		 m->mean_bytes > 0 ? ", an estimate" : "");
	layout_style(l, LAYOUT_FAINT);
	layout_wrap(l, text, 0);
	layout_style(l, LAYOUT_PLAIN);
}

static void put_split(const struct layout *l, const struct model *m)
{
	char detail[2 * UNITS_TEXT_MAX], size[UNITS_TEXT_MAX];
	struct ledger_split s;

	if (!ledger_split(m, &s))
		return;
	snprintf(detail, sizeof(detail), "%s at %.0f s",
		 units_format_bytes(size, (double)s.rss), s.t);
	text_heading(l, "WHERE IT IS", detail);
	put_part(l, "live heap", s.live, s.rss);
	put_part(l, "not in live blocks", s.retained, s.rss);
	if (s.live == LEDGER_UNREAD)
		put_part(l, "heap, not looked at", s.anonymous, s.rss);
	else if (s.anonymous > 0)
		put_part(l, "other anonymous", s.anonymous, s.rss);
	put_part(l, "files and shared", s.file, s.rss);
	put_part(l, "stacks", s.stacks, s.rss);
	put_part(l, "Strandline itself", s.self, s.rss);
	put_arenas(l, m);
	put_absent(l, m, &s);
}

void text_memory(const struct layout *l, const struct model *m)
{
	if (m->ledger_count == 0)
		return;
	buf_putc(l->out, '\n');
	put_trends(l, m);
	put_sparkline(l, m, "RSS over time", ledger_column("rss"));
	if (m->live_trend.peak > 0)
		put_sparkline(l, m, "live heap over time",
			      ledger_column("live"));
	put_split(l, m);
}
