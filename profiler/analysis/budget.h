/*
 * budget: what a project allows its server, and whether it kept to it.
 *
 * strandline.yml says what is allowed; each line of it becomes a budget, and
 * each budget one check or, where its route is a pattern, one for every
 * endpoint that it takes.  A check passes, is exceeded, or could not be
 * measured, which is said and never taken for a pass.
 *
 * Pure: text and model in, checks out.
 */
#ifndef STRANDLINE_ANALYSIS_BUDGET_H
#define STRANDLINE_ANALYSIS_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/analysis/amount.h"
#include "profiler/analysis/estimate.h"
#include "profiler/analysis/suppress.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/vec.h"

struct err;
struct model;
struct model_endpoint;

enum budget_what {
	BUDGET_RSS,
	BUDGET_GROWTH,
	BUDGET_IDLE,
	BUDGET_ALLOC,
	BUDGET_RETAINED,
	BUDGET_P50,
	BUDGET_P95,
	BUDGET_P99,
	BUDGET_TTFB_P50,
	BUDGET_TTFB_P95,
	BUDGET_ERRORS,
	BUDGET_THROUGHPUT,
	BUDGET_THREADS,
	BUDGET_FDS,
	BUDGET_KINDS,
};

enum budget_section {
	BUDGET_MEMORY,
	BUDGET_LATENCY,
	BUDGET_THREAD_SECTION,
	BUDGET_FD_SECTION,
	BUDGET_SECTIONS,
};

struct budget_kind {
	const char *name; /* "memory.rss_max" */
	enum budget_section section;
	enum amount_unit unit;
	bool by_endpoint;
	bool at_least;	     /* the limit is a floor */
	const char *measure; /* "peak RSS" */
};

extern const struct budget_kind budget_kinds[BUDGET_KINDS];

struct budget {
	enum budget_what what;
	char *route;   /* "POST /api/v1/chat", "*"; NULL: the whole */
	double limit;  /* in the kind's unit */
	unsigned line; /* of strandline.yml */
};

struct slow_limit {  /* p95 above which such endpoints are slow */
	char *route; /* as of a budget */
	double ms;
};

struct slow_limits {
	VEC(struct slow_limit) list;
};

struct budgets {
	VEC(struct budget) list;
	double slow_ms; /* p95 above which an endpoint is slow; 0: not said */
	struct slow_limits slow_limits; /* of single routes */
	unsigned fails;			/* bit 1 << enum finding_class */
	bool missing_fails;
	bool inconclusive_passes;
	struct suppressions suppressions; /* those that stand in the file */
	VEC(char *) suppression_files;	  /* names, as they stand */
};

/* What holds where there is no strandline.yml: every class fails that says
 * the server itself grows, retention does not. */
void budgets_init(struct budgets *b);
void budgets_fini(struct budgets *b);

/*
 * Read @text, the contents of the file @name, into an initialised @b.
 * -EINVAL with "NAME:LINE:COLUMN: sentence", -ENOMEM; budgets_fini() in any
 * case.
 */
int budgets_parse(struct budgets *b, const char *name, const char *text,
		  size_t len, struct err *err);

enum check_state {
	CHECK_PASS,
	CHECK_EXCEEDED,
	CHECK_UNKNOWN, /* could not be measured */
};

struct check {
	const struct budget *budget; /* one of the budgets' */
	char *endpoint; /* "POST /api/v1/chat"; NULL: the whole, or none */
	enum check_state state;
	struct figure value; /* NAN where not measured */
	char *sentence;
};

struct checks {
	VEC(struct check) list;
	size_t exceeded, unknown;
};

/* Hold @m to @b.  0 or -ENOMEM; checks_free() in any case. */
int checks_of(struct checks *out, const struct budgets *b,
	      const struct model *m, struct err *err);
void checks_free(struct checks *c);

/* That of @l, which may be NULL, whose route says most of @e; 0: none does. */
double slow_limits_of(const struct slow_limits *l,
		      const struct model_endpoint *e);

const char *check_state_name(enum check_state state); /* "pass" */

#endif
