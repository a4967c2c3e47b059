/*
 * gate: may this change be merged?  The verdict, the budgets and the baseline
 * as one exit status.
 *
 *	0   all is well
 *	10  the server leaks or grows
 *	11  a budget is exceeded
 *	12  worse than the baseline
 *	13  there is too little data to say
 *
 * Several at once: the smallest of 10 to 13.  Pure.
 */
#ifndef STRANDLINE_ANALYSIS_GATE_H
#define STRANDLINE_ANALYSIS_GATE_H

#include <stdbool.h>
#include <stddef.h>

enum gate_status {
	GATE_PASS = 0,
	GATE_GROWS = 10,
	GATE_EXCEEDED = 11,
	GATE_WORSE = 12,
	GATE_INCONCLUSIVE = 13,
};

struct budgets;
struct checks;
struct diff;
struct diff_row;
struct finding;
struct model;
struct slow_limits;
struct verdict;

struct gate {
	const struct model *model;
	const struct verdict *verdict; /* settled, see verdict_settle() */
	const struct budgets *budgets;
	const struct checks *checks;
	const struct diff *diff; /* NULL: no baseline */
	double tolerance;	 /* of the baseline: 0.2 is 20 % */
	double slow_ms; /* p95 above which an endpoint is slow; 0: 1 s */
	const struct slow_limits *slow_limits; /* of single ones; or NULL */
	const char *config;	 /* the strandline.yml; NULL: none */
	enum gate_status status; /* by gate_settle() */
	size_t failing, worse;	 /* findings; rows of the diff */
	bool inconclusive;
};

/* Fill what is said to be filled by it. */
void gate_settle(struct gate *g);

/* This finding, not suppressed, is of a class that fails. */
bool gate_fails(const struct gate *g, const struct finding *f);
/* This row is worse than the tolerance allows. */
bool gate_is_worse(const struct gate *g, const struct diff_row *row);

const char *gate_status_name(enum gate_status status); /* "leak or growth" */

#endif
