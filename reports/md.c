/*
 * md: the recording for a merge request or a ticket, in Markdown as GitHub
 * and GitLab read it.
 */
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/escape.h"
#include "reports/formats.h"
#include "reports/markdown.h"
#include "reports/names.h"

#define DEFAULT_SITES 10u

static void put_title(struct buf *out, const struct model *m,
		      const struct verdict *v)
{
	buf_puts(out, "### Strandline: ");
	escape_markdown(out, m->name ? m->name : "");
	if (v)
		buf_printf(out, ", %s", finding_class_name(v->class));
	buf_puts(out, "\n\n");
}

static void put_footer(struct buf *out, const struct model *m)
{
	char seconds[UNITS_TEXT_MAX];

	buf_puts(out, "<sub>");
	escape_markdown(out, m->command ? m->command : "");
	buf_printf(out, ": %s, %s mode, strandline ",
		   units_format_duration(seconds, m->duration * 1e9), m->mode);
	escape_markdown(out, m->version ? m->version : "");
	buf_puts(out, m->torn ? "; it ended without an orderly exit</sub>\n"
			      : "</sub>\n");
}

int report_md(const struct model *m, const struct report_options *opt,
	      struct buf *out)
{
	int rc;

	if (opt->performance) {
		rc = md_performance(m, opt, out);
		return rc < 0 ? rc : buf_status(out);
	}
	put_title(out, m, opt->verdict);
	markdown_findings(out, m, opt->verdict);
	buf_puts(out, "#### Memory\n\n");
	markdown_memory(out, m);
	buf_puts(out, "#### Requests\n\n");
	markdown_requests(out, m, opt->checks);
	markdown_slow(out, m, opt);
	markdown_drifts(out, m);
	buf_printf(out, "#### Who holds it: %s\n\n", name_weight(opt->kind));
	rc = markdown_sites(out, m, opt, opt->top ? opt->top : DEFAULT_SITES);
	markdown_account(out, m);
	put_footer(out, m);
	return rc < 0 ? rc : buf_status(out);
}
