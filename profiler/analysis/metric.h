/*
 * metric: the figures by which two runs of a program are compared, and what
 * is known of each.
 */
#ifndef STRANDLINE_ANALYSIS_METRIC_H
#define STRANDLINE_ANALYSIS_METRIC_H

#include <stdbool.h>

#include "profiler/analysis/amount.h"

enum metric_what {
	/* of the whole server */
	METRIC_RSS_PEAK,
	METRIC_RSS_END,
	METRIC_LIVE_PEAK,
	METRIC_LIVE_END,
	METRIC_BEYOND_LIVE, /* RSS at the end that is not live heap */
	METRIC_ALLOCATED,
	METRIC_ALLOCATIONS,
	METRIC_CPU,
	METRIC_THREADS,
	METRIC_FDS,
	/* of an endpoint */
	METRIC_P50,
	METRIC_P95,
	METRIC_P99,
	METRIC_TTFB_P50,
	METRIC_TTFB_P95,
	METRIC_ERRORS,
	METRIC_THROUGHPUT,
	METRIC_REQUEST_ALLOCATED,
	METRIC_REQUEST_RETAINED,
	/* of an allocation site */
	METRIC_SITE_LIVE,
	METRIC_SITE_ALLOCATED,
	METRIC_KINDS,
};

enum metric_scope {
	METRIC_OF_SERVER,
	METRIC_OF_ENDPOINT,
	METRIC_OF_SITE,
	METRIC_SCOPES,
};

struct metric_kind {
	const char *name; /* "rss_peak", stable */
	const char *text; /* "peak RSS" */
	enum metric_scope scope;
	enum amount_unit unit;
	bool flows; /* divided by requests or seconds */
	bool more_is_better;
	bool gates;	/* a change for the worse fails `check` */
	double matters; /* a change below this does not */
	double noise; /* share that two runs of one program differ by, standard
		       * deviation; counts where nothing better is known */
};

extern const struct metric_kind metric_kinds[METRIC_KINDS];

#endif
