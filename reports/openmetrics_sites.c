/*
 * openmetrics_sites: the sites of the OpenMetrics report, as in the summary:
 * grouped by the frame that asked for the memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "reports/metrics.h"
#include "reports/openmetrics.h"
#include "reports/report.h"
#include "reports/sites.h"

#define DEFAULT_TOP 20

static void label(struct metrics *x, const struct model *m, uint32_t frame)
{
	const struct model_frame *f = &m->frames[frame];

	if (frame == MODEL_NONE) {
		metrics_label(x, "function", "[hidden]");
		return;
	}
	metrics_label(x, "function", f->function);
	metrics_label(x, "file", f->file);
	if (f->line > 0)
		metrics_label_count(x, "line", (long)f->line);
	metrics_label(x, "module", f->module);
}

int openmetrics_sites(struct metrics *x, const struct model *m,
		      const struct report_options *opt)
{
	struct site_group *groups;
	size_t count;
	int rc = sites_grouped(m, opt, &groups, &count);

	if (rc < 0)
		return rc;
	if (count > (opt->top ? opt->top : DEFAULT_TOP))
		count = opt->top ? opt->top : DEFAULT_TOP;
	metrics_family(x, METRICS_GAUGE, "strandline_site_live_bytes",
		       "What the heaviest sites hold.");
	for (size_t i = 0; i < count; i++) {
		label(x, m, groups[i].frame);
		metrics_value(x, groups[i].live.bytes);
	}
	metrics_family(x, METRICS_COUNTER, "strandline_site_allocated_bytes",
		       "What the heaviest sites ever allocated.");
	for (size_t i = 0; i < count; i++) {
		label(x, m, groups[i].frame);
		metrics_value(x, groups[i].allocated.bytes);
	}
	free(groups);
	return 0;
}
