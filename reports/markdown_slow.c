/*
 * markdown_slow: endpoints that are slow, and those that got slower, in
 * Markdown.
 */

#include "profiler/analysis/drift.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/escape.h"
#include "reports/markdown.h"
#include "reports/report.h"
#include "reports/slow_words.h"

static void put_threads(struct buf *out, const struct slowness *s)
{
	struct buf text = BUF_INIT;

	if (s->seen)
		slowness_put_time(&text, &s->own, s->took_ms);
	if (s->seen && s->handed_on) {
		buf_puts(&text, "; other threads meanwhile: ");
		slowness_put_time(&text, &s->others, s->took_ms);
	}
	if (text.len == 0)
		buf_puts(&text, "not measured");
	markdown_taken(out, &text);
}

static void put_endpoint(struct buf *out, const struct model *m,
			 const struct report_options *opt,
			 const struct model_endpoint *p)
{
	const struct model_slow_part *parts[4];
	struct slowness s;
	size_t count;

	slowness_of(&s, m, p);
	buf_puts(out, "| ");
	escape_markdown(out, p->method);
	buf_putc(out, ' ');
	escape_markdown(out, p->route);
	buf_puts(out, " |");
	markdown_ms(out, p->p95_ms);
	markdown_ms(out, s.queue_ms);
	markdown_ms(out, s.handling_ms);
	markdown_ms(out, s.writing_ms);
	buf_putc(out, ' ');
	put_threads(out, &s);
	buf_puts(out, " | ");
	count = slowness_stacks(m, p, &s, parts, 2);
	for (size_t i = 0; i < count; i++) {
		struct buf stack = BUF_INIT;

		buf_printf(&stack, "%s%s%s: ", i ? "; " : "",
			   slowness_state(parts[i]->waited, parts[i]->why),
			   parts[i]->own ? "" : ", on another thread");
		slowness_put_stack(&stack, m, opt, parts[i]->node);
		markdown_taken(out, &stack);
	}
	buf_puts(out, count ? " |\n" : "– |\n");
}

static void put_title(struct buf *out, const struct report_options *opt)
{
	buf_puts(out, "Slow, with a p95 above ");
	slowness_put_limit(out, opt);
	buf_puts(out, "; where the time of their slowest requests went:\n\n"
		      "| endpoint | p95 | unread | to the first byte | writing "
		      "| its thread | where |\n"
		      "|---|---:|---:|---:|---:|---|---|\n");
}

void markdown_slow(struct buf *out, const struct model *m,
		   const struct report_options *opt)
{
	bool any = false;

	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		if (!slowness_is(opt, &m->endpoints[i]))
			continue;
		if (!any)
			put_title(out, opt);
		any = true;
		put_endpoint(out, m, opt, &m->endpoints[i]);
	}
	if (any)
		buf_putc(out, '\n');
}

void markdown_drifts(struct buf *out, const struct model *m)
{
	struct buf line = BUF_INIT;
	bool any = false;

	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		if (!slowness_put_drift(&line, m, &m->endpoints[i]))
			continue;
		buf_puts(out, "- ");
		markdown_taken(out, &line);
		buf_putc(out, '\n');
		line = (struct buf)BUF_INIT;
		any = true;
	}
	buf_free(&line);
	if (any)
		buf_putc(out, '\n');
}
