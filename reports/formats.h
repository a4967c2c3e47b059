/*
 * formats: the writers behind the table in report.c.  Each appends its report
 * of @m to @out and returns 0 or -ENOMEM.
 */
#ifndef STRANDLINE_REPORTS_FORMATS_H
#define STRANDLINE_REPORTS_FORMATS_H

#include "reports/report.h"

int report_text(const struct model *m, const struct report_options *opt,
		struct buf *out);
int report_json(const struct model *m, const struct report_options *opt,
		struct buf *out);
int report_hgrm(const struct model *m, const struct report_options *opt,
		struct buf *out);
int report_folded(const struct model *m, const struct report_options *opt,
		  struct buf *out);
int report_svg(const struct model *m, const struct report_options *opt,
	       struct buf *out);
int report_html(const struct model *m, const struct report_options *opt,
		struct buf *out);
int report_md(const struct model *m, const struct report_options *opt,
	      struct buf *out);
/* The same for options.performance. */
int md_performance(const struct model *m, const struct report_options *opt,
		   struct buf *out);
/* Its hotspots, @count at most. */
int md_hotspots(struct buf *out, const struct model *m,
		const struct report_options *opt, size_t count);
int csv_course(const struct model *m, const struct report_options *opt,
	       struct buf *out);
/* csv.c: a cell of text, in quotes; NULL: an empty one. */
void csv_text(struct buf *out, const char *text);
int csv_endpoints(const struct model *m, const struct report_options *opt,
		  struct buf *out);
int csv_sites(const struct model *m, const struct report_options *opt,
	      struct buf *out);
int report_csv(const struct model *m, const struct report_options *opt,
	       struct buf *out);
int report_pprof(const struct model *m, const struct report_options *opt,
		 struct buf *out);
int report_speedscope(const struct model *m, const struct report_options *opt,
		      struct buf *out);
int report_openmetrics(const struct model *m, const struct report_options *opt,
		       struct buf *out);

/* Whether the options leave @frame out of stacks; markers always stay. */
bool report_hides(const struct report_options *opt,
		  const struct model_frame *frame);

#endif
