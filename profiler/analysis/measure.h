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

#include "profiler/analysis/metric.h"
#include "profiler/base/vec.h"

struct err;
struct model;

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
