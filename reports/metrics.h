/*
 * metrics: the text of OpenMetrics 1.0 or of Prometheus' older format, a
 * family at a time.
 *
 *	metrics_family(&x, METRICS_GAUGE, "process_open_fds", "Open ...");
 *	metrics_label(&x, "pid", "4242");
 *	metrics_value(&x, 22);
 *
 * A family may be taken up again: what belongs to it stands together in the
 * end, whoever it came from.  A family without a value leaves no trace, nor
 * does a value that is not a number.  Of values with equal labels the first
 * counts: names that differ in broken bytes only would make two of one series,
 * which no reader takes.
 */
#ifndef STRANDLINE_REPORTS_METRICS_H
#define STRANDLINE_REPORTS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/base/buf.h"
#include "profiler/base/vec.h"

struct intern;

enum metrics_dialect {
	METRICS_OPENMETRICS, /* 1.0.0 */
	METRICS_PROMETHEUS,  /* its text format, 0.0.4 */
};

enum metrics_type {
	METRICS_GAUGE,
	METRICS_COUNTER,  /* "_total" follows the family's name */
	METRICS_INFO,	  /* "_info" does */
	METRICS_SUMMARY,  /* of quantiles */
	METRICS_STATESET, /* the state's label is the family's name */
	METRICS_HISTOGRAM,
};

struct metrics_family {
	enum metrics_type type;
	const char *name, *help;
	struct buf text; /* its head and values; empty without a value */
};

struct metrics {
	struct buf *out;
	enum metrics_dialect dialect;
	VEC(struct metrics_family) families; /* in order of first sight */
	size_t current;			     /* of them */
	struct buf common;		     /* labels of every value */
	struct buf labels;		     /* of the value to come */
	struct intern *seen;		     /* all series so far */
};

/* 0 or -ENOMEM; metrics_fini() in any case. */
int metrics_init(struct metrics *x, struct buf *out,
		 enum metrics_dialect dialect);
/* Ends the text and frees what it needed; 0 or -ENOMEM. */
int metrics_fini(struct metrics *x);

/* @name without the type's suffix; its last word is its unit.  Both texts
 * must outlive @x. */
void metrics_family(struct metrics *x, enum metrics_type type, const char *name,
		    const char *help);
/* For all values from now on; NULL takes it away. */
void metrics_common(struct metrics *x, const char *name, const char *value);
/* For the next value only; NULL is no label. */
void metrics_label(struct metrics *x, const char *name, const char *value);
void metrics_label_count(struct metrics *x, const char *name, long value);
void metrics_value(struct metrics *x, double value);
/* The number of things that a summary sums up. */
void metrics_count(struct metrics *x, double value);

struct metrics_histogram {
	const double *bounds;	/* ascending */
	const uint64_t *within; /* at or below each of them */
	size_t bound_count;
	uint64_t count;
	double sum;
};

/* All values of a histogram, with the labels for the next one. */
void metrics_histogram(struct metrics *x, const struct metrics_histogram *h);

#endif
