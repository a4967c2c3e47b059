/*
 * html: the page, of one recording or of one beside another.
 */
#ifndef STRANDLINE_REPORTS_HTML_H
#define STRANDLINE_REPORTS_HTML_H

#include "reports/report.h"

struct buf;
struct diff;

/* Why no page can be written, in a sentence; NULL: it can. */
const char *html_missing(void);

struct html_base {
	const struct model *model;
	const struct diff *diff; /* from it to the one that is shown */
};

/* report_html() of @m, with what changed since @base.  0 or -ENOMEM. */
int html_diff(const struct model *m, const struct report_options *opt,
	      const struct html_base *base, struct buf *out);

#endif
