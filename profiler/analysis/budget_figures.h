/*
 * budget_figures: what a recording says of the figure that a budget limits,
 * or why it does not say it.
 */
#ifndef STRANDLINE_ANALYSIS_BUDGET_FIGURES_H
#define STRANDLINE_ANALYSIS_BUDGET_FIGURES_H

#include "profiler/analysis/budget.h"

struct model_endpoint;

struct measured {
	struct figure value; /* NAN: see why */
	char why[200];
};

/* Of the whole server; 0 or -ENOMEM. */
int budget_measure_server(struct measured *out, const struct model *m,
			  enum budget_what what);
/* Of one endpoint. */
struct measured budget_measure_endpoint(const struct model *m,
					const struct model_endpoint *e,
					enum budget_what what);
/* No request to @route was seen. */
struct measured budget_measure_nothing(const char *route);

#endif
