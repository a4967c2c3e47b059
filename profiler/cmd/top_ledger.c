/*
 * top_ledger: RSS by what it is used for, as bars; counts; request rates.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/units.h"
#include "profiler/cmd/top_view.h"
#include "reports/ledger.h"

#define RATE_SECONDS 10.0 /* over which rates are taken */
#define SHORT_ROWS   16u  /* with fewer there are no bars */
#define BAR_COLUMN   26u
#define SHARE_WIDTH  7u

static void bar(struct top_screen *screen, unsigned row, double share,
		const struct top_state *s, enum layout_style style)
{
	unsigned width = screen->columns - BAR_COLUMN - SHARE_WIDTH;
	struct buf text = BUF_INIT;
	const struct layout l = { .out = &text };

	if (s->ascii)
		for (unsigned i = 0; i < (unsigned)lround(share * width); i++)
			buf_putc(&text, '#');
	else
		layout_bar(&l, share, width);
	if (text.bytes)
		top_put(screen, row, BAR_COLUMN, width, LAYOUT_LAST, style,
			"%s", text.bytes);
	buf_free(&text);
}

static unsigned part(struct top_screen *screen, const struct top_state *s,
		     unsigned row, const char *name, uint64_t bytes,
		     uint64_t rss)
{
	double share = rss ? (double)bytes / (double)rss : 0;
	char text[UNITS_TEXT_MAX];

	if (bytes == LEDGER_UNREAD)
		return row;
	top_put(screen, row, 2, 12, LAYOUT_LEFT, LAYOUT_PLAIN, "%s", name);
	top_put(screen, row, 14, 11, LAYOUT_RIGHT, LAYOUT_PLAIN, "%s",
		units_format_bytes(text, (double)bytes));
	bar(screen, row, share > 1 ? 1 : share, s, LAYOUT_ACCENT);
	top_put(screen, row, screen->columns - SHARE_WIDTH, SHARE_WIDTH,
		LAYOUT_RIGHT, LAYOUT_FAINT, "%.0f %%", share * 100);
	return row + 1;
}

static void sparkline(struct top_screen *screen, unsigned row, unsigned column,
		      const struct model *m)
{
	double *values = calloc(m->ledger_count + 1UL, sizeof(*values));
	int32_t pid = ledger_main_pid(m);
	struct buf text = BUF_INIT;
	const struct layout l = { .out = &text };
	size_t count = 0;

	for (uint32_t i = 0; values && i < m->ledger_count; i++)
		if (m->ledger[i].pid == pid &&
		    m->ledger[i].rss != LEDGER_UNREAD)
			values[count++] = (double)m->ledger[i].rss;
	if (count > 1 && screen->columns > column + 8)
		layout_sparkline(&l, values, count,
				 screen->columns - column - 1);
	if (text.len)
		top_put(screen, row, column, 0, LAYOUT_LAST, LAYOUT_ACCENT,
			"%s", text.bytes);
	buf_free(&text);
	free(values);
}

static void draw_rss(struct top_screen *screen, const struct top_state *s,
		     const struct model *m, unsigned row)
{
	const struct model_ledger_point *p =
		ledger_last(m, ledger_column("rss"));
	char rss[UNITS_TEXT_MAX], grows[UNITS_TEXT_MAX], peak[UNITS_TEXT_MAX];
	double a_minute = m->rss_trend.growth_per_second * 60;

	if (!p) {
		top_put(screen, row, 0, 0, LAYOUT_LAST, LAYOUT_FAINT,
			"no ledger");
		return;
	}
	top_put(screen, row, 0, 50, LAYOUT_LEFT, LAYOUT_TITLE,
		"RSS %s   %s%s/min   peak %s",
		units_format_bytes(rss, (double)p->rss),
		a_minute >= 0 ? "+" : "",
		units_format_bytes(grows, isfinite(a_minute) ? a_minute : 0),
		units_format_bytes(peak, m->rss_trend.peak));
	if (!s->ascii)
		sparkline(screen, row, 51, m);
}

static unsigned draw_parts(struct top_screen *screen, const struct top_state *s,
			   const struct model *m, unsigned row)
{
	struct ledger_split split;

	if (screen->rows < SHORT_ROWS || !ledger_split(m, &split))
		return row;
	row = part(screen, s, row, "live heap", split.live, split.rss);
	row = part(screen, s, row, "retained", split.retained, split.rss);
	if (split.live == LEDGER_UNREAD || split.anonymous > 0)
		row = part(screen, s, row,
			   model_sees_heap(m) ? "anonymous" : "heap",
			   split.anonymous, split.rss);
	row = part(screen, s, row, "files", split.file, split.rss);
	return part(screen, s, row, "stacks", split.stacks, split.rss);
}

/* Of one core, between the last readings that lie a second apart. */
static double cpu_share(const struct model *m)
{
	int32_t pid = ledger_main_pid(m);
	const struct model_ledger_point *last = NULL;

	for (uint32_t i = m->ledger_count; i-- > 0;) {
		const struct model_ledger_point *p = &m->ledger[i];

		if (p->pid != pid || p->cpu_user_ns == LEDGER_UNREAD)
			continue;
		if (!last) {
			last = p;
			continue;
		}
		if (last->t - p->t < 1)
			continue;
		return (double)(last->cpu_user_ns + last->cpu_system_ns -
				p->cpu_user_ns - p->cpu_system_ns) /
		       ((last->t - p->t) * 1e9);
	}
	return NAN;
}

/* What is missing from the recording, and what it takes beside the server. */
static void put_recorder(struct buf *out, const struct model *m)
{
	char size[UNITS_TEXT_MAX];
	uint64_t lost = 0;

	for (uint32_t i = 0; i < m->loss_count; i++)
		lost += m->losses[i].count;
	if (m->loss_count)
		buf_printf(out, "   lost %s",
			   lost ? units_format_count(size, lost) : "nothing");
	if (m->cost.profiler_rss_bytes > 0)
		buf_printf(out, "   strandline %.1f %% %s",
			   m->cost.profiler_cpu_pct,
			   units_format_bytes(size,
					      m->cost.profiler_rss_bytes));
}

static void draw_counts(struct top_screen *screen, const struct model *m,
			unsigned row)
{
	const struct model_ledger_point *p =
		ledger_last(m, ledger_column("threads"));
	const struct model_ledger_point *fds =
		ledger_last(m, ledger_column("fds"));
	struct buf recorder = BUF_INIT;
	double share = cpu_share(m);
	char cpu[16] = "-";

	if (isfinite(share))
		snprintf(cpu, sizeof(cpu), "%.0f %%", share * 100);
	put_recorder(&recorder, m);
	top_put(screen, row, 0, 0, LAYOUT_LAST, LAYOUT_PLAIN,
		"threads %llu   fds %llu   CPU %s%s",
		p ? (unsigned long long)p->threads : 0,
		fds ? (unsigned long long)fds->fds : 0, cpu,
		recorder.bytes ? recorder.bytes : "");
	buf_free(&recorder);
}

bool top_rates(const struct model *m, const struct model_endpoint *of,
	       double *requests, double *errors)
{
	double seconds = 0;

	*requests = *errors = 0;
	for (uint32_t i = m->window_count; i-- > 0 && seconds < RATE_SECONDS;) {
		double width =
			fmin(m->window_seconds, m->duration - m->windows[i].t);

		if (!(width > 0))
			continue;
		seconds += width;
		*requests += of ? of->windows[i] : m->windows[i].requests;
		*errors += m->windows[i].errors;
	}
	if (!(seconds > 0))
		return false;
	*requests /= seconds;
	*errors /= seconds;
	return true;
}

/* Of the endpoint that answered most. */
static void put_busiest(struct top_screen *screen, const struct model *m,
			unsigned row, unsigned column)
{
	const struct model_endpoint *e = m->endpoints;
	char p50[UNITS_TEXT_MAX], p95[UNITS_TEXT_MAX], p99[UNITS_TEXT_MAX];

	for (uint32_t i = 1; i < m->endpoint_count; i++)
		if (m->endpoints[i].count > e->count)
			e = &m->endpoints[i];
	top_put(screen, row, column, 0, LAYOUT_LAST, LAYOUT_PLAIN,
		"p50 %s  p95 %s  p99 %s  %s %s",
		units_format_duration(p50, e->p50_ms * 1e6),
		units_format_duration(p95, e->p95_ms * 1e6),
		units_format_duration(p99, e->p99_ms * 1e6), e->method,
		e->route);
}

/* The row after it. */
static unsigned draw_requests(struct top_screen *screen, const struct model *m,
			      unsigned row)
{
	char all[UNITS_TEXT_MAX];
	double now = 0, errors = 0;

	(void)top_rates(m, NULL, &now, &errors);
	if (!m->endpoint_count) {
		top_put(screen, row, 0, 0, LAYOUT_LAST, LAYOUT_FAINT,
			"no requests seen");
		return row + 1;
	}
	if (screen->rows < SHORT_ROWS) {
		top_put(screen, row, 0, 11, LAYOUT_LAST, LAYOUT_PLAIN,
			"%.1f req/s", now);
		put_busiest(screen, m, row, 12);
		return row + 1;
	}
	top_put(screen, row, 0, 0, LAYOUT_LAST,
		errors > 0 ? LAYOUT_ALARM : LAYOUT_PLAIN,
		"requests %.1f/s   errors %.1f/s   %s in all", now, errors,
		units_format_count(all, m->requests));
	top_put(screen, row + 1, 0, 0, LAYOUT_LAST, LAYOUT_FAINT, "busiest");
	put_busiest(screen, m, row + 1, 9);
	return row + 2;
}

unsigned top_draw_ledger(struct top_screen *screen, const struct top_facts *f,
			 const struct top_state *s, unsigned row)
{
	draw_rss(screen, s, f->model, row++);
	row = draw_parts(screen, s, f->model, row);
	if (screen->rows < 10)
		return row;
	draw_counts(screen, f->model, row++);
	return draw_requests(screen, f->model, row);
}
