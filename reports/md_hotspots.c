/*
 * md_hotspots: the places that a team looks at first, by memory and, where a
 * probe sampled it, by CPU time.
 *
 * A function's share is that of all samples that it was on the stack of, so
 * it counts for what it calls as well, which is what stopping it would save.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/escape.h"
#include "reports/formats.h"
#include "reports/markdown.h"
#include "reports/names.h"
#include "reports/sites.h"

static bool same_function(const struct model_frame *a,
			  const struct model_frame *b)
{
	return !strcmp(a->function, b->function) &&
	       !strcmp(a->module, b->module);
}

static bool is_on_stack(const struct model *m, uint32_t node,
			const struct model_frame *f)
{
	for (; node != MODEL_NONE; node = m->nodes[node].parent)
		if (same_function(&m->frames[m->nodes[node].frame], f))
			return true;
	return false;
}

static void put_cpu(struct buf *out, const struct model *m,
		    const struct model_frame *f)
{
	double all = 0, here = 0;

	for (uint32_t i = 0; i < m->site_count; i++) {
		if (m->sites[i].cpu <= 0)
			continue;
		all += m->sites[i].cpu;
		if (f && is_on_stack(m, m->sites[i].node, f))
			here += m->sites[i].cpu;
	}
	if (all > 0)
		buf_printf(out, " %.1f %% |", 100 * here / all);
	else
		buf_puts(out, " not measured |");
}

static const struct finding *finding_at(const struct verdict *v,
					const struct model_frame *f)
{
	for (size_t i = 0; v && f && i < v->finding_count; i++) {
		const struct finding *found = &v->findings[i];

		if (!found->suppressed && found->function &&
		    !strcmp(found->function, f->function))
			return found;
	}
	return NULL;
}

/* What it does to the server, in a few words. */
static void put_impact(struct buf *out, const struct model *m,
		       const struct verdict *v, const struct site_group *g,
		       const struct model_frame *f)
{
	const struct finding *found = finding_at(v, f);
	char text[UNITS_TEXT_MAX];

	if (found)
		buf_printf(out, " %s: see the verdict |",
			   finding_class_name(found->class));
	else if (m->requests > 0)
		buf_printf(out, " allocates %s per request |",
			   units_format_bytes(text,
					      g->allocated.bytes /
						      (double)m->requests));
	else if (m->duration > 0)
		buf_printf(out, " allocates %s a second |",
			   units_format_bytes(text, g->allocated.bytes /
							    m->duration));
	else
		buf_puts(out, " not measured |");
}

static void put_row(struct buf *out, const struct model *m,
		    const struct report_options *opt,
		    const struct site_group *g, double total)
{
	const struct model_frame *f =
		g->frame == MODEL_NONE ? NULL : &m->frames[g->frame];

	markdown_group(out, m, opt, g, total);
	put_cpu(out, m, f);
	put_impact(out, m, opt->verdict, g, f);
	buf_putc(out, '\n');
}

static void put_busy_row(struct buf *out, const struct model *m,
			 const struct report_options *opt,
			 const struct site_group *g, double total)
{
	char text[UNITS_TEXT_MAX];

	markdown_group(out, m, opt, g, total);
	buf_printf(out, " %s |", units_format_bytes(text, g->allocated.bytes));
	if (m->requests > 0)
		buf_printf(out, " takes %s of CPU per request |\n",
			   units_format_duration(
				   text, g->weight / (double)m->requests));
	else if (m->duration > 0)
		buf_printf(out, " takes %.1f %% of a core |\n",
			   g->weight / m->duration / 1e7);
	else
		buf_puts(out, " not measured |\n");
}

static bool knows_cpu(const struct model *m)
{
	for (uint32_t i = 0; i < m->site_count; i++)
		if (m->sites[i].cpu > 0)
			return true;
	return false;
}

static int put_busiest(struct buf *out, const struct model *m,
		       const struct report_options *opt, size_t count)
{
	static const struct markdown_table table = {
		"function", " allocated | impact |", "---:|---|", put_busy_row
	};
	struct report_options by_cpu = *opt;

	by_cpu.kind = MODEL_CPU;
	buf_puts(out, "By CPU time:\n\n");
	if (knows_cpu(m))
		return markdown_groups(out, m, &by_cpu, count, &table);
	buf_puts(out, "Not measured; `strandline run --probe cpu` samples "
		      "it.\n\n");
	return 0;
}

int md_hotspots(struct buf *out, const struct model *m,
		const struct report_options *opt, size_t count)
{
	static const struct markdown_table table = { "function",
						     " CPU | impact |",
						     "---:|---|", put_row };
	int rc = 0;

	if (opt->kind != MODEL_CPU) {
		buf_printf(out, "By %s:\n\n", name_weight(opt->kind));
		rc = markdown_groups(out, m, opt, count, &table);
	}
	return rc < 0 ? rc : put_busiest(out, m, opt, count);
}
