/*
 * drift: does an endpoint get slower while it is recorded?
 *
 * Its p95, window by window (model_endpoint.course): Theil-Sen's slope, with
 * Mann-Kendall's test, corrected for autocorrelation, as a gate.  Pure.
 */
#ifndef STRANDLINE_ANALYSIS_DRIFT_H
#define STRANDLINE_ANALYSIS_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

struct model;
struct model_endpoint;

enum drift_class {
	DRIFT_UNKNOWN, /* too few windows with enough requests */
	DRIFT_STEADY,
	DRIFT_RISES, /* by more than a tenth */
	DRIFT_FALLS,
};

struct drift {
	enum drift_class class;
	uint32_t windows;      /* that have enough requests */
	double ms_per_minute;  /* of p95; those from here on NAN if unknown */
	double from_ms, to_ms; /* where that line begins and ends */
	double p_value;	       /* of no trend, both ways */
};

void drift_of(struct drift *out, const struct model *m,
	      const struct model_endpoint *p);
const char *drift_name(enum drift_class class); /* "rises" */

#endif
