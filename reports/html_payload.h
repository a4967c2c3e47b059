/*
 * html_payload: a model as the page of HTML reads it.
 *
 * One stream: the length of the JSON (four bytes, lowest first), the JSON,
 * the columns (columns.h); all of it gzip'ed and as base64.  The JSON is the
 * report's own less the sites, with "kinds", "timelines", "strings" and
 * "columns" added.  The other half is reports/web/decode.js.
 */
#ifndef STRANDLINE_REPORTS_HTML_PAYLOAD_H
#define STRANDLINE_REPORTS_HTML_PAYLOAD_H

#include "reports/report.h"

struct buf;
struct diff;

/* @diff: the comparison with another model, told too; NULL: none.  0 or
 * -ENOMEM. */
int html_payload(const struct model *m, const struct report_options *opt,
		 const struct diff *diff, struct buf *out);

#endif
