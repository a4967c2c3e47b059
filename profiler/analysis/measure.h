/*
 * measure: the figures of one recording that another can be held against.
 *
 * A model is large, and a baseline may be ten of them; this is what is kept of
 * each.  What flows (bytes allocated, CPU) is that of the time in which it
 * served requests, and will be divided by them; where there were none it is
 * of the whole, by seconds.  What stands (RSS, threads) is as it was.  Each
 * figure has the standard error that the recording itself gives it: of
 * sampling, of quantiles, of rates.
 */
#ifndef STRANDLINE_ANALYSIS_MEASURE_H
#define STRANDLINE_ANALYSIS_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/analysis/amount.h"
#include "profiler/base/vec.h"

struct err;
struct model;

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

struct metric {
	enum metric_what what;
	uint32_t subject; /* index into subjects; 0 is the server */
	double value;	  /* as measured: flows are not divided yet */
	double variance;  /* of the value, by this recording alone */
};

struct subject {	     /* what a figure is about */
	uint64_t key;	     /* equal in two recordings: the same subject */
	char *name;	     /* "POST /api/v1/chat", or a function; "" */
	char *file, *module; /* of a site; or NULL */
	uint32_t line;
};

struct measure {
	char *path;
	char *program;	 /* what ran, versions and options aside */
	char *allocator; /* "glibc", or "" */
	uint64_t start_unix_ns;
	double requests, seconds;
	double sample_bytes; /* the sampling mean, 0: exact */
	bool torn;
	VEC(struct subject) subjects; /* the first is the server */
	VEC(struct metric) metrics;
};

/* 0 or -ENOMEM. */
int measure_of(struct measure **out, const struct model *m, struct err *err);
void measure_free(struct measure *m); /* NULL is fine */

#endif
