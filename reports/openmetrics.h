/*
 * openmetrics: what the files of the OpenMetrics report share.
 */
#ifndef STRANDLINE_REPORTS_OPENMETRICS_H
#define STRANDLINE_REPORTS_OPENMETRICS_H

struct metrics;
struct model;
struct report_options;

/* All of @m; 0 or -ENOMEM. */
int openmetrics_model(struct metrics *x, const struct model *m,
		      const struct report_options *opt);
/* By method and route. */
void openmetrics_requests(struct metrics *x, const struct model *m);
/* The heaviest, 20 unless the options say otherwise; 0 or -ENOMEM. */
int openmetrics_sites(struct metrics *x, const struct model *m,
		      const struct report_options *opt);

#endif
