/*
 * md_performance: the document that a team hands in after a load test.
 *
 * Every number is one of the recording; what it does not have is called not
 * measured.  Targets are those of a strandline.yml, held to as check does.
 */
#include <math.h>

#include "profiler/analysis/budget.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/bottlenecks.h"
#include "reports/escape.h"
#include "reports/formats.h"
#include "reports/markdown.h"
#include "reports/names.h"
#include "reports/outcome.h"
#include "reports/rating.h"

#define HOTSPOTS 5u

static uint64_t errors_of(const struct model *m)
{
	uint64_t errors = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++)
		errors += m->endpoints[i].errors;
	return errors;
}

static void put_summary(struct buf *out, const struct model *m,
			const struct report_options *opt)
{
	char requests[UNITS_TEXT_MAX], seconds[UNITS_TEXT_MAX];
	char peak[UNITS_TEXT_MAX], final[UNITS_TEXT_MAX];

	units_format_duration(seconds, m->duration * 1e9);
	if (m->requests > 0)
		buf_printf(out, "- %s requests in %s, %llu failed.\n",
			   units_format_count(requests, m->requests), seconds,
			   (unsigned long long)errors_of(m));
	else
		buf_printf(out, "- %s recorded; requests: not measured.\n",
			   seconds);
	if (m->rss_trend.peak > 0)
		buf_printf(out, "- RSS was %s at most and %s at the end.\n",
			   units_format_bytes(peak, m->rss_trend.peak),
			   units_format_bytes(final, m->rss_trend.final));
	else
		buf_puts(out, "- RSS: not measured.\n");
	buf_puts(out, "- Leaks: ");
	if (opt->verdict)
		escape_markdown(out, opt->verdict->sentence);
	else
		buf_puts(out, "not measured");
	if (opt->checks)
		buf_printf(out,
			   "\n- Targets: %zu, of which %zu failed and %zu are "
			   "acceptable or not measured.",
			   opt->checks->list.count, opt->checks->exceeded,
			   opt->checks->unknown);
	buf_puts(out, "\n\n");
}

static void put_row(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "| %s | ", name);
	if (text && text[0])
		escape_markdown(out, text);
	else
		buf_puts(out, "not measured");
	buf_puts(out, " |\n");
}

static void put_machine(struct buf *out, const struct model *m)
{
	char text[UNITS_TEXT_MAX];

	put_row(out, "processor", m->processor);
	buf_puts(out, "| processors | ");
	if (m->processors)
		buf_printf(out, "%llu |\n", (unsigned long long)m->processors);
	else
		buf_puts(out, "not measured |\n");
	put_row(out, "memory",
		m->memory_bytes
			? units_format_bytes(text, (double)m->memory_bytes)
			: NULL);
}

static void put_mode(struct buf *out, const struct model *m)
{
	struct buf mode = BUF_INIT;

	name_put_mode(&mode, m);
	buf_puts(out, "| recorded | ");
	markdown_taken(out, &mode);
	buf_puts(out, " |\n\n");
}

static void put_environment(struct buf *out, const struct model *m)
{
	const struct model_process *p = m->main_process < m->process_count
						? &m->processes[m->main_process]
						: NULL;

	buf_puts(out, "| | |\n|---|---|\n");
	put_row(out, "host", m->host);
	put_row(out, "kernel", m->kernel);
	put_row(out, "system", m->system);
	put_machine(out, m);
	put_row(out, "server", p ? p->command : m->command);
	put_row(out, "program", p ? p->exe : NULL);
	if (m->python)
		put_row(out, "Python", m->python);
	put_row(out, "allocator", p ? p->allocator : NULL);
	buf_printf(out, "| processes | %u |\n", m->process_count);
	put_row(out, "strandline", m->version);
	put_mode(out, m);
}

static double busiest(const struct model *m)
{
	double high = 0;

	for (uint32_t i = 0; i < m->window_count; i++)
		high = fmax(high, m->windows[i].requests);
	return m->window_seconds > 0 ? high / m->window_seconds : NAN;
}

static void put_load(struct buf *out, const struct model *m,
		     const struct report_options *opt)
{
	double high = busiest(m);

	if (m->requests > 0 && m->duration > 0)
		buf_printf(out,
			   "%.1f requests a second on average, %llu "
			   "connections, ",
			   (double)m->requests / m->duration,
			   (unsigned long long)m->connections);
	if (m->requests > 0 && isfinite(high))
		buf_printf(out, "%.1f a second in the busiest window.\n\n",
			   high);
	else if (m->requests > 0)
		buf_puts(out, "the busiest window not measured.\n\n");
	markdown_requests(out, m, opt->checks);
	markdown_slow(out, m, opt);
	markdown_drifts(out, m);
}

static void put_results(struct buf *out, const struct checks *checks)
{
	const struct check *c;

	if (!checks || checks->list.count == 0) {
		buf_puts(out, "No targets were given (`-c strandline.yml`); "
			      "the figures stand under load and memory.\n\n");
		return;
	}
	buf_puts(out, "| target | | result |\n|---|---|---|\n");
	vec_foreach (&checks->list, c) {
		struct buf name = BUF_INIT;

		outcome_check_name(&name, c);
		buf_puts(out, "| ");
		markdown_taken(out, &name);
		buf_printf(out, " | %s | ", rating_name(rating_of_check(c)));
		escape_markdown(out, c->sentence);
		buf_puts(out, " |\n");
	}
	buf_puts(out, "\nacceptable: beyond the target by no more than the "
		      "figure is unsure.\n\n");
}

static void put_bottlenecks(struct buf *out, const struct model *m)
{
	unsigned seen = 0;

	for (const struct bottleneck *b = bottlenecks; b->seen; b++) {
		struct buf evidence = BUF_INIT;

		if (b->seen(m, &evidence)) {
			buf_puts(out, "- ");
			markdown_taken(out, &evidence);
			buf_putc(out, '\n');
			seen++;
		}
		buf_free(&evidence);
	}
	buf_puts(out,
		 seen ? "\n" : "None stands out in what was measured.\n\n");
}

static unsigned advise_leaks(struct buf *out, const struct verdict *v)
{
	unsigned steps = 0;

	for (size_t i = 0; v && i < v->finding_count; i++) {
		const struct finding *f = &v->findings[i];

		if (f->suppressed || f->class >= FINDING_INCONCLUSIVE)
			continue;
		buf_printf(out,
			   "1. Stop the %s: ", finding_class_name(f->class));
		escape_markdown(out, f->sentence);
		buf_puts(out, ".\n");
		steps++;
	}
	if (v && v->class == FINDING_INCONCLUSIVE) {
		buf_puts(out, "1. Record longer, to know about leaks: ");
		escape_markdown(out, v->sentence);
		buf_puts(out, ".\n");
		steps++;
	}
	return steps;
}

static unsigned advise_targets(struct buf *out, const struct checks *checks)
{
	const struct check *c;
	unsigned steps = 0;

	if (!checks)
		return 0;
	vec_foreach (&checks->list, c) {
		struct buf name = BUF_INIT;

		if (c->state != CHECK_EXCEEDED)
			continue;
		outcome_check_name(&name, c);
		buf_puts(out, "1. Meet ");
		markdown_taken(out, &name);
		buf_puts(out, ": ");
		escape_markdown(out, c->sentence);
		buf_puts(out, ".\n");
		steps++;
	}
	return steps;
}

/* Worst first: what grows, what misses its target, what could be better. */
static void put_advice(struct buf *out, const struct model *m,
		       const struct report_options *opt)
{
	unsigned steps = advise_leaks(out, opt->verdict);

	steps += advise_targets(out, opt->checks);
	for (const struct bottleneck *b = bottlenecks; b->seen; b++) {
		struct buf evidence = BUF_INIT;

		if (b->seen(m, &evidence)) {
			buf_printf(out, "1. %s\n", b->advice);
			steps++;
		}
		buf_free(&evidence);
	}
	buf_puts(out,
		 steps ? "\n" : "Nothing that was measured asks for it.\n\n");
}

int md_performance(const struct model *m, const struct report_options *opt,
		   struct buf *out)
{
	int rc;

	buf_puts(out, "# Performance report: ");
	escape_markdown(out, m->name ? m->name : "");
	buf_puts(out, "\n\n## Summary\n\n");
	put_summary(out, m, opt);
	buf_puts(out, "## Environment\n\n");
	put_environment(out, m);
	buf_puts(out, "## Load as seen\n\n");
	put_load(out, m, opt);
	buf_puts(out, "## Results against targets\n\n");
	put_results(out, opt->checks);
	buf_puts(out, "## Memory\n\n");
	markdown_memory(out, m);
	buf_puts(out, "## Leak verdict\n\n");
	markdown_findings(out, m, opt->verdict);
	buf_puts(out, "## Hotspots\n\n");
	rc = md_hotspots(out, m, opt, opt->top ? opt->top : HOTSPOTS);
	buf_puts(out, "## Bottlenecks\n\n");
	put_bottlenecks(out, m);
	buf_puts(out, "## What to do first\n\n");
	put_advice(out, m, opt);
	buf_puts(out, "## How sure this is\n\n");
	markdown_account(out, m);
	return rc;
}
