/*
 * diff: what changed between two runs of a program, or two sets of runs.
 *
 * Each figure is normalised (measure.h) and compared with its uncertainty.
 * One run against one: the uncertainty is what each run says of itself, and
 * what runs of a program use to differ by.  Several runs: what they differ by
 * among themselves, by median and median absolute deviation, so that one odd
 * run of three or more moves nothing. A change counts when its 95 % interval
 * leaves 0 out and it is large enough to matter to anybody.
 */
#ifndef STRANDLINE_ANALYSIS_DIFF_H
#define STRANDLINE_ANALYSIS_DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/analysis/estimate.h"
#include "profiler/analysis/measure.h"

struct err;

enum diff_state {
	DIFF_SAME, /* or not known to differ */
	DIFF_BETTER,
	DIFF_WORSE,
	DIFF_NEW,  /* an endpoint or a site that the base did not have */
	DIFF_GONE, /* one that only the base had */
};

struct diff_row {
	enum metric_what what;
	const struct subject *subject;
	struct figure base, new; /* NAN where a side lacks it */
	struct figure change;	 /* new - base */
	enum diff_state state;
};

struct diff_side {
	const char *path; /* of the run, or of the newest of several */
	size_t runs;
	double requests, seconds; /* medians */
	const char *allocator;
};

struct diff {
	bool per_request; /* flows are divided by requests, else by seconds */
	struct diff_side base, new;
	/* The server, endpoints one by one, then sites, first all by what they
	 * hold, then all by what they allocate, the largest change first. */
	struct diff_row *rows;
	size_t row_count;
	/* Sentences; NULL where there is nothing to say. */
	char *allocators; /* which of two returns more, and at what price */
	char *caution;	  /* why levels are not like for like */
};

/*
 * Compare; the measures must outlive the diff.  -EINVAL with a sentence when
 * they are not all of one program; -ENOMEM.
 */
int diff_of(struct diff **out, const struct measure *const *base,
	    size_t base_count, const struct measure *const *new,
	    size_t new_count, struct err *err);
void diff_free(struct diff *d); /* NULL is fine */

/*
 * The change is for the worse by more than @tolerance (0.2: 20 %) of the base,
 * for sure, and its kind is one that a gate looks at.
 */
bool diff_exceeds(const struct diff *d, const struct diff_row *row,
		  double tolerance);

/* Of @row's base; INFINITY where that is 0. */
double diff_relative(const struct diff_row *row);

const char *diff_state_name(enum diff_state state); /* "worse" */

#endif
