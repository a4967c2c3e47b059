/*
 * metrics: the text of OpenMetrics 1.0, a family at a time.
 *
 *	metrics_family(&x, METRICS_GAUGE, "process_open_fds", "Open ...");
 *	metrics_label(&x, "pid", "4242");
 *	metrics_value(&x, 22);
 *
 * A family without a value leaves no trace, nor does a value that is not a
 * number.  Of values with equal labels the first counts: names that differ in
 * broken bytes only would make two of one series, which no reader takes.
 */
#ifndef STRANDLINE_REPORTS_METRICS_H
#define STRANDLINE_REPORTS_METRICS_H

#include <stdbool.h>

#include "profiler/base/buf.h"

struct intern;

enum metrics_type {
	METRICS_GAUGE,
	METRICS_COUNTER,  /* "_total" follows the family's name */
	METRICS_INFO,	  /* "_info" does */
	METRICS_SUMMARY,  /* of quantiles */
	METRICS_STATESET, /* the state's label is the family's name */
};

struct metrics {
	struct buf *out;
	enum metrics_type type;
	const char *name, *help; /* of the family */
	bool begun;		 /* its head is written */
	struct buf labels;	 /* of the value to come */
	struct intern *seen;	 /* all series so far */
};

int metrics_init(struct metrics *x, struct buf *out); /* 0 or -ENOMEM */
/* Ends the text and frees what it needed; 0 or -ENOMEM. */
int metrics_fini(struct metrics *x);

/* @name without the type's suffix; its last word is its unit. */
void metrics_family(struct metrics *x, enum metrics_type type, const char *name,
		    const char *help);
/* For the next value only; NULL is no label. */
void metrics_label(struct metrics *x, const char *name, const char *value);
void metrics_label_count(struct metrics *x, const char *name, long value);
void metrics_value(struct metrics *x, double value);
/* The number of things that a summary sums up. */
void metrics_count(struct metrics *x, double value);

#endif
