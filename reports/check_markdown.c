/*
 * check_markdown: the outcome of a gate for a merge request or the summary of
 * a job.
 */
#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "profiler/model/model.h"
#include "reports/check.h"
#include "reports/diff.h"
#include "reports/escape.h"
#include "reports/markdown.h"
#include "reports/outcome.h"
#include "reports/report.h"

#define MOST_FINDINGS 10u

static void put_finding(struct buf *out, const struct gate *g,
			const struct finding *f)
{
	buf_printf(out, "- **%s** ", finding_class_name(f->class));
	escape_markdown(out, f->sentence);
	buf_puts(out, gate_fails(g, f) ? "\n" : " (does not fail)\n");
	if (f->node != MODEL_NONE)
		markdown_stack(out, g->model, f->node);
}

static void put_findings(struct buf *out, const struct gate *g)
{
	unsigned shown = 0, suppressed = 0, more = 0;

	for (size_t i = 0; i < g->verdict->finding_count; i++) {
		const struct finding *f = &g->verdict->findings[i];

		if (f->suppressed)
			suppressed++;
		else if (f->class == FINDING_CLEAN)
			continue;
		else if (shown++ < MOST_FINDINGS)
			put_finding(out, g, f);
		else
			more++;
	}
	if (more)
		buf_printf(out, "- and %u more\n", more);
	if (suppressed)
		buf_printf(out, "- %u suppressed\n", suppressed);
	if (shown || suppressed)
		buf_putc(out, '\n');
}

static void put_budgets(struct buf *out, const struct gate *g)
{
	static const char *const marks[] = { "✅", "❌", "❔" };
	const struct check *c;

	if (!g->config || g->checks->list.count == 0)
		return;
	buf_puts(out, "| budget | | outcome |\n|---|---|---|\n");
	vec_foreach (&g->checks->list, c) {
		struct buf name = BUF_INIT;

		outcome_check_name(&name, c);
		buf_puts(out, "| ");
		markdown_taken(out, &name);
		buf_printf(out, " | %s | ", marks[c->state]);
		escape_markdown(out, c->sentence);
		buf_puts(out, " |\n");
	}
	buf_putc(out, '\n');
}

static void put_baseline(struct buf *out, const struct gate *g)
{
	struct buf side = BUF_INIT;

	if (!g->diff)
		return;
	outcome_side(&side, g->diff, false);
	buf_puts(out, "Against the baseline ");
	markdown_taken(out, &side);
	buf_printf(out, ", worse by more than %.3g %%: %zu.\n\n",
		   g->tolerance * 100, g->worse);
	diff_markdown_table(g->diff, out);
}

static void put_footer(struct buf *out, const struct model *m)
{
	char requests[UNITS_TEXT_MAX], seconds[UNITS_TEXT_MAX];

	buf_puts(out, "<sub>");
	escape_markdown(out, m->name);
	buf_printf(out, ": %s requests in %s, %s mode, strandline ",
		   units_format_count(requests, m->requests),
		   units_format_duration(seconds, m->duration * 1e9), m->mode);
	escape_markdown(out, m->version);
	buf_puts(out, "</sub>\n");
}

int check_markdown(const struct gate *g, const struct check_options *opt,
		   struct buf *out)
{
	const char *caution;

	(void)opt;
	buf_printf(out, "### %s Strandline: ",
		   g->status == GATE_PASS	    ? "✅"
		   : g->status == GATE_INCONCLUSIVE ? "❔"
						    : "❌");
	outcome_headline(out, g);
	buf_puts(out, "\n\n");
	escape_markdown(out, g->verdict->sentence);
	buf_puts(out, "\n\n");
	for (unsigned n = 0; (caution = outcome_caution(g, n)); n++)
		buf_printf(out, "%s\n\n", caution);
	put_findings(out, g);
	put_budgets(out, g);
	put_baseline(out, g);
	markdown_slow(out, g->model,
		      &(struct report_options) { .slow_ms = g->slow_ms,
						 .slow_limits =
							 g->slow_limits });
	put_footer(out, g->model);
	return buf_status(out);
}
