/*
 * verdict_state: what a verdict is made from, for the files that make it:
 * verdict.c, judge_places.c and judge_ledger.c (which findings there are),
 * refine.c (what they are together), sentences.c (how they are told).
 */
#ifndef STRANDLINE_ANALYSIS_VERDICT_STATE_H
#define STRANDLINE_ANALYSIS_VERDICT_STATE_H

#include "profiler/analysis/axis.h"
#include "profiler/analysis/places.h"
#include "profiler/analysis/tide.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/vec.h"

struct model_endpoint;

#define VERDICT_WINDOWS_MIN    8 /* to look for a trend in */
#define VERDICT_SECONDS_WANTED 30

struct owned_verdict { /* verdict.h shows only the front */
	struct verdict verdict;
	const struct model *model;
	VEC(char *) strings;
	bool by_requests;
	double requests, seconds; /* that were looked at */
	double bound;		  /* growth per x that is ruled out */
	bool too_short;		  /* to say anything at all */
	bool unseen;		  /* pages were looked at, and no blocks */
};

struct course { /* what a series goes along */
	const double *x, *t;
	uint32_t count;
};

struct judging {
	const struct model *m;
	struct owned_verdict *out;
	struct axis axis;
	struct places places;
	struct tide tide;
	struct course windows, readings; /* of the axis, of the ledger */
	VEC(struct finding) findings;
	double *scratch[4];	     /* x, t, y and variance of a series */
	double alpha;		     /* of each series */
	double explained;	     /* bytes per x that findings grow by */
	double unsure;		     /* and what may be no growth by */
	double *gained;		     /* level of those that may have moved */
	double *both;		     /* room for it and another's */
	bool may_have_moved;	     /* there is one */
	bool suspected;		     /* a place may leak */
	double undecided;	     /* bytes that may be growing */
	double more_x, more_seconds; /* that would decide all */
};

/* A copy that lives as long as the verdict; NULL when out of memory. */
const char *verdict_string(struct owned_verdict *v, const char *text);

/* Mean of the last fifth of @y less that of the first: a cheap look. */
double verdict_drift(const double *y, uint32_t count);

/* How much a place must rise to be looked at, bytes. */
double verdict_rise_min(const struct judging *j);
/*
 * The trend of @y along @along; points that are NAN are left out.  @per_byte
 * is the variance of a byte of y, 0 where y is exact.  0 or -errno.
 */
int verdict_trend(struct judging *j, const struct course *along,
		  const double *y, double per_byte, double least,
		  struct trend *out);
/* A finding with the figures of @t; NULL when out of memory. */
struct finding *verdict_add(struct judging *j, enum finding_class class,
			    const struct trend *t);
/* @f is about what stands at @node. */
void verdict_put_where(struct judging *j, struct finding *f, uint32_t node);
/* Its figures are per request of @e, where there is one. */
void verdict_put_endpoint(struct judging *j, struct finding *f,
			  const struct model_endpoint *e,
			  const struct trend *t);

/* judge_places.c: findings of lines of code.  0 or -errno. */
int judge_places(struct judging *j);
/* judge_ledger.c: findings of threads, descriptors and retention, and
 * verdict.growth.  0 or -errno. */
int judge_ledger(struct judging *j);

/* @f is of place @p, which may have gained what another gave. */
void refine_note_gain(struct judging *j, const struct finding *f,
		      const struct place *p);
/*
 * What all places hold together is @total: places that gain what others give
 * back do not grow.  0 or -errno.
 */
int refine_moved(struct judging *j, const struct trend *total);
/* A thread that stays keeps what libc allocated for it and what it allocated
 * itself: one finding.  0 or -ENOMEM. */
int refine_threads(struct judging *j);
/* Two lines of one function, or two of what one container holds, are one
 * finding, told by the larger. */
void refine_lines(struct judging *j);

/* objects.c: set what @f is about in Python, and what holds it.  0 or
 * -ENOMEM. */
int finding_objects(struct owned_verdict *v, struct finding *f);

/* Set the sentence of @f, of a process that allocates with @allocator. */
int sentence_of_finding(struct owned_verdict *v, struct finding *f);
/* Set the sentence of the verdict, whose class is settled. */
int sentence_of_verdict(struct owned_verdict *v);

#endif
