/*
 * markdown: see markdown.h.
 */
#include "reports/markdown.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/escape.h"
#include "reports/layout.h"
#include "reports/ledger.h"
#include "reports/names.h"
#include "reports/rating.h"
#include "reports/report.h"
#include "reports/sites.h"

#define MOST_FINDINGS 10u
#define MOST_FRAMES   12u
#define SPARKLINE     60u

void markdown_taken(struct buf *out, struct buf *text)
{
	if (buf_status(text) < 0)
		out->failed = true;
	else if (text->len)
		escape_markdown(out, text->bytes);
	buf_free(text);
}

void markdown_stack(struct buf *out, const struct model *m, uint32_t node)
{
	unsigned frames = 0;

	for (; node != MODEL_NONE && frames < MOST_FRAMES; frames++) {
		const struct model_frame *f = &m->frames[m->nodes[node].frame];
		struct buf name = BUF_INIT, place = BUF_INIT;

		name_put_function(&name, f);
		name_put_place(&place, f, f->line, false);
		buf_puts(out, "  1. ");
		escape_markdown_code(out, name.len ? name.bytes : "?");
		buf_putc(out, ' ');
		if (place.len)
			markdown_taken(out, &place);
		buf_putc(out, '\n');
		buf_free(&name);
		node = m->nodes[node].parent;
	}
}

void markdown_findings(struct buf *out, const struct model *m,
		       const struct verdict *v)
{
	unsigned shown = 0, more = 0;

	if (!v) {
		buf_puts(out, "Not measured.\n\n");
		return;
	}
	escape_markdown(out, v->sentence);
	buf_puts(out, "\n\n");
	for (size_t i = 0; i < v->finding_count; i++) {
		const struct finding *f = &v->findings[i];

		if (f->suppressed || f->class == FINDING_CLEAN)
			continue;
		if (shown++ >= MOST_FINDINGS) {
			more++;
			continue;
		}
		buf_printf(out, "- **%s** ", finding_class_name(f->class));
		escape_markdown(out, f->sentence);
		buf_putc(out, '\n');
		if (f->node != MODEL_NONE)
			markdown_stack(out, m, f->node);
	}
	if (more)
		buf_printf(out, "- and %u more\n", more);
	if (shown)
		buf_putc(out, '\n');
}

static void put_trend(struct buf *out, const char *name,
		      const struct model_trend *t, bool bytes)
{
	const double values[] = { t->baseline, t->peak, t->final };
	char text[UNITS_TEXT_MAX];

	buf_printf(out, "| %s |", name);
	for (size_t i = 0; i < 3; i++) {
		if (t->peak <= 0)
			buf_puts(out, " not measured |");
		else if (bytes)
			buf_printf(out, " %s |",
				   units_format_bytes(text, values[i]));
		else
			buf_printf(out, " %.0f |", values[i]);
	}
	if (t->peak <= 0)
		buf_puts(out, " not measured |\n");
	else if (bytes)
		buf_printf(out, " %s/s |\n",
			   units_format_bytes(text, t->growth_per_second));
	else
		buf_printf(out, " %.3g/s |\n", t->growth_per_second);
}

/* The main process's RSS over time, as a line of levels. */
static void put_timeline(struct buf *out, const struct model *m)
{
	const struct ledger_column *rss = ledger_column("rss");
	double *values = malloc((m->ledger_count + 1) * sizeof(*values));
	struct layout l = { .out = out, .columns = SPARKLINE };
	int32_t pid = ledger_main_pid(m);
	size_t count = 0;

	if (!values) {
		out->failed = true;
		return;
	}
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		uint64_t value = ledger_value(&m->ledger[i], rss);

		if (m->ledger[i].pid == pid)
			values[count++] =
				value == LEDGER_UNREAD ? NAN : (double)value;
	}
	if (count > 1) {
		buf_printf(out, "RSS over %.0f s, from 0 up:\n\n```\n",
			   m->duration);
		layout_sparkline(&l, values, count, SPARKLINE);
		buf_puts(out, "\n```\n\n");
	}
	free(values);
}

static void put_part(struct buf *out, const char *name, uint64_t bytes,
		     uint64_t rss)
{
	char text[UNITS_TEXT_MAX];

	if (bytes == LEDGER_UNREAD)
		buf_printf(out, "| %s | not measured | |\n", name);
	else
		buf_printf(out, "| %s | %s | %.1f %% |\n", name,
			   units_format_bytes(text, (double)bytes),
			   rss ? 100.0 * (double)bytes / (double)rss : 0);
}

static void put_split(struct buf *out, const struct model *m)
{
	struct ledger_split s;

	if (!ledger_split(m, &s))
		return;
	buf_puts(out, "| RSS is | | |\n|---|---:|---:|\n");
	put_part(out, "live heap", s.live, s.rss);
	put_part(out, "free, kept by the allocator", s.retained, s.rss);
	put_part(out,
		 s.live == LEDGER_UNREAD ? "heap, not looked at"
					 : "other anonymous",
		 s.anonymous, s.rss);
	put_part(out, "files and shared", s.file, s.rss);
	put_part(out, "stacks", s.stacks, s.rss);
	put_part(out, "Strandline itself", s.self, s.rss);
	buf_putc(out, '\n');
}

void markdown_memory(struct buf *out, const struct model *m)
{
	if (m->ledger_count == 0) {
		buf_puts(out, "Not measured.\n\n");
		return;
	}
	buf_puts(out, "| | baseline | peak | final | growth |\n"
		      "|---|---:|---:|---:|---:|\n");
	put_trend(out, "resident (RSS)", &m->rss_trend, true);
	put_trend(out, "live heap", &m->live_trend, true);
	put_trend(out, "threads", &m->thread_trend, false);
	put_trend(out, "open files", &m->fd_trend, false);
	buf_putc(out, '\n');
	put_timeline(out, m);
	put_split(out, m);
}

void markdown_ms(struct buf *out, double ms)
{
	char text[UNITS_TEXT_MAX];

	if (isfinite(ms))
		buf_printf(out, " %s |", units_format_duration(text, ms * 1e6));
	else
		buf_puts(out, " not measured |");
}

static void put_bytes(struct buf *out, double bytes)
{
	char text[UNITS_TEXT_MAX];

	if (isfinite(bytes))
		buf_printf(out, " %s |", units_format_bytes(text, bytes));
	else
		buf_puts(out, " not measured |");
}

static void put_endpoint(struct buf *out, const struct model_endpoint *p,
			 bool closed, const struct checks *checks)
{
	char text[UNITS_TEXT_MAX];

	buf_puts(out, "| ");
	escape_markdown(out, p->method);
	buf_putc(out, ' ');
	escape_markdown(out, p->route);
	buf_printf(out, " | %s |", units_format_count(text, p->count));
	buf_printf(out, " %s |", units_format_count(text, p->errors));
	markdown_ms(out, p->p50_ms);
	markdown_ms(out, p->p95_ms);
	markdown_ms(out, p->p99_ms);
	if (closed)
		markdown_ms(out, p->corrected.p99_ms);
	markdown_ms(out, p->ttfb_p95_ms);
	put_bytes(out, p->alloc_bytes_per_request);
	put_bytes(out, p->retained_bytes_per_request);
	if (checks)
		buf_printf(out, " %s |", rating_name(rating_of(checks, p)));
	buf_putc(out, '\n');
}

void markdown_requests(struct buf *out, const struct model *m,
		       const struct checks *checks)
{
	bool closed = m->load.kind == MODEL_LOAD_CLOSED;

	if (m->endpoint_count == 0) {
		buf_puts(out, "Not measured: no requests were seen.\n\n");
		return;
	}
	buf_printf(out,
		   "| endpoint | requests | errors | p50 | p95 | p99 |%s "
		   "first byte p95 | allocates | retains |%s\n"
		   "|---|---:|---:|---:|---:|---:|%s---:|---:|---:|%s\n",
		   closed ? " p99 corrected |" : "", checks ? " rating |" : "",
		   closed ? "---:|" : "", checks ? "---|" : "");
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		put_endpoint(out, &m->endpoints[i], closed, checks);
	buf_puts(out, "\nallocates, retains: bytes a request.\n\n");
	if (closed)
		buf_printf(
			out,
			"The load was a closed loop: about %.0f clients, "
			"each of which waits for its answer. corrected: with "
			"the requests that they did not send meanwhile.\n\n",
			m->load.clients);
}

void markdown_group(struct buf *out, const struct model *m,
		    const struct report_options *opt,
		    const struct site_group *g, double total)
{
	const struct model_frame *f =
		g->frame == MODEL_NONE ? NULL : &m->frames[g->frame];
	struct buf name = BUF_INIT, place = BUF_INIT;
	char amount[NAME_AMOUNT_MAX];

	if (f) {
		name_put_function(&name, f);
		name_put_place(&place, f, f->line, false);
	} else {
		buf_puts(&name, "[hidden]");
	}
	buf_puts(out, "| ");
	escape_markdown_code(out, name.len ? name.bytes : "?");
	out->failed |= name.failed;
	buf_free(&name);
	buf_puts(out, " | ");
	markdown_taken(out, &place);
	buf_printf(out, " | %s | %.1f %% |",
		   name_amount(amount, opt->kind, g->weight),
		   total > 0 ? 100 * g->weight / total : 0);
}

static void put_site(struct buf *out, const struct model *m,
		     const struct report_options *opt,
		     const struct site_group *g, double total)
{
	markdown_group(out, m, opt, g, total);
	buf_putc(out, '\n');
}

int markdown_groups(struct buf *out, const struct model *m,
		    const struct report_options *opt, size_t count,
		    const struct markdown_table *table)
{
	struct site_group *groups;
	double total = 0;
	size_t all;
	int rc = sites_grouped(m, opt, &groups, &all);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < all; i++)
		total += groups[i].weight;
	if (all == 0)
		buf_puts(out, "Not measured.\n\n");
	else
		buf_printf(out,
			   "| %s | where | %s | share |%s\n"
			   "|---|---|---:|---:|%s\n",
			   table->first, name_weight(opt->kind), table->heads,
			   table->rule);
	for (size_t i = 0; i < all && i < count; i++)
		table->put_row(out, m, opt, &groups[i], total);
	if (all > count)
		buf_printf(out, "\nand %zu more\n", all - count);
	if (all > 0)
		buf_putc(out, '\n');
	free(groups);
	return 0;
}

int markdown_sites(struct buf *out, const struct model *m,
		   const struct report_options *opt, size_t count)
{
	static const struct markdown_table table = { "site", "", "", put_site };

	return markdown_groups(out, m, opt, count, &table);
}

/* What was lost, zeros included, and what the profiler cost. */
void markdown_account(struct buf *out, const struct model *m)
{
	const struct model_cost *c = &m->cost;
	char target[UNITS_TEXT_MAX], disk[UNITS_TEXT_MAX];

	buf_puts(out, "Lost: ");
	for (uint32_t i = 0; i < m->loss_count; i++) {
		buf_puts(out, i ? ", " : "");
		escape_markdown(out, m->losses[i].reason);
		buf_printf(out, " %llu",
			   (unsigned long long)m->losses[i].count);
	}
	buf_puts(out, m->loss_count ? ".\n\n" : "not measured.\n\n");
	buf_printf(out, "The profiler took %s in the target and %s on disk",
		   units_format_bytes(target, c->self_bytes_peak),
		   units_format_bytes(disk, c->recording_bytes));
	if (c->target_cpu_pct >= 0)
		buf_printf(out, ", %.2f %% of a core in the target",
			   c->target_cpu_pct);
	buf_printf(out, ", %.2f %% beside it.\n\n", c->profiler_cpu_pct);
}
