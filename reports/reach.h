/*
 * reach: what the scans of a recording have found, for strandline check.
 */
#ifndef STRANDLINE_REPORTS_REACH_H
#define STRANDLINE_REPORTS_REACH_H

#include "reports/report.h"

struct buf;

/* The summary's line, and the sites of what was found; 0 or -ENOMEM. */
int report_reach(const struct model *m, const struct report_options *opt,
		 struct buf *out);

#endif
