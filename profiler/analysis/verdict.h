/*
 * verdict: does this server leak, where, and how sure are we?
 *
 * A pure function from a model to findings.  Each finding carries the figures
 * that it rests on, so that a reader can disagree with it.  False alarms cost
 * more trust than late ones: what the data cannot bear is `inconclusive`, with
 * what is missing.
 */
#ifndef STRANDLINE_ANALYSIS_VERDICT_H
#define STRANDLINE_ANALYSIS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/analysis/estimate.h" /* struct figure */
#include "profiler/analysis/trend.h"	/* enum finding_shape */

struct err;
struct model;

enum finding_class { /* worst first; the verdict is the worst finding's */
		     FINDING_LEAK,	/* unreachable or never freed, growing
					 * with requests */
		     FINDING_GROWTH,	/* reachable, without bound */
		     FINDING_MAPPINGS,	/* mmap'ed and never unmapped */
		     FINDING_THREADS,	/* ever more threads */
		     FINDING_FDS,	/* ever more descriptors */
		     FINDING_RETENTION, /* RSS grows, the live heap does not */
		     FINDING_INCONCLUSIVE,
		     FINDING_CLEAN,
		     FINDING_CLASSES,
};

struct finding {
	enum finding_class class;
	double confidence; /* 0..1 */
	const char *sentence;

	/* where; NULL and MODEL_NONE when it is about the whole process */
	const char *function, *file, *module;
	uint32_t line;
	uint32_t node; /* leaf of the stack, wrappers seen through */
	/* What most of it is in Python, and what holds it: "str held by
	 * app.answer_cache"; NULL: not known. */
	const char *objects;
	const char *holder;   /* "app.answer_cache"; NULL: not known */
	const char *endpoint; /* "POST /api/v1/chat" where one stands out */

	struct figure bytes_per_request; /* of all requests; of `endpoint`'s
					  * where there is one */
	struct figure bytes_per_second;	 /* threads, fds: things, not bytes */

	struct {
		uint64_t requests; /* after the warm-up */
		uint64_t samples;  /* records behind the figures; 0: none */
		double seconds;	   /* after the warm-up */
		double warmup_seconds;
		double p_value;	    /* of no trend, autocorrelation seen to */
		double late_early;  /* late slope over early slope */
		double survivors;   /* 0..1: of the bytes allocated there
				     * after the warm-up, what stayed */
		double unreachable; /* bytes no root reaches; NAN: no scan */
		bool definite;	    /* unreachable in two scans */
		double share;	    /* of the growth of RSS */
		enum finding_shape shape;
	} evidence;
	/* Names the place, not the run: equal for the same stack of the same
	 * program after lines moved.  16 hex digits. */
	char fingerprint[17];
	bool suppressed; /* by the caller, see suppress.h; not counted */
};

struct verdict {
	enum finding_class class;
	double confidence;
	const char *sentence;
	struct { /* inconclusive: what is missing; NAN: not that */
		double requests, seconds;
	} needs;
	struct { /* growth of RSS after the warm-up, bytes, by what it is */
		double rss, live, retained, anonymous, file, stacks, self;
	} growth;
	struct finding *findings; /* worst first, then most bytes */
	size_t finding_count;
};

/* 0, or -ENOMEM.  verdict_free(*@out) when done; it refers to @m. */
int verdict_of(struct verdict **out, const struct model *m, struct err *err);
void verdict_free(struct verdict *v); /* NULL is fine */
/* Class, confidence and sentence anew, after `suppressed` of some findings
 * was set.  0 or -ENOMEM. */
int verdict_settle(struct verdict *v);
const char *finding_class_name(enum finding_class class); /* "leak" */
const char *finding_shape_name(enum finding_shape shape);

#endif
