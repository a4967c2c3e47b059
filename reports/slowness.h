/*
 * slowness: which endpoints are slow, and where the time of their slowest
 * requests went.
 */
#ifndef STRANDLINE_REPORTS_SLOWNESS_H
#define STRANDLINE_REPORTS_SLOWNESS_H

#include "profiler/model/model.h"

struct buf;
struct report_options;

#define SLOWNESS_MS 1000 /* of p95, where nothing else is asked for */

struct slow_time { /* ms of threads, between the read and the last byte */
	double on_cpu_ms;
	double blocked_ms[MODEL_BLOCKED_KINDS];
};

/* Of those that are kept of one endpoint the mean; NAN where not known. */
struct slowness {
	uint32_t requests;
	double took_ms;
	double queue_ms;    /* until the server had read it */
	double handling_ms; /* until the first byte of its answer */
	double writing_ms;  /* until the last */
	/* Probes saw what threads did: those that read and wrote it, and what
	 * others of the process began and ended meanwhile. */
	bool seen;
	struct slow_time own, others;
	/* Its thread waited for other events most of the time: an event loop,
	 * which had others do it, or had nothing to do for it. */
	bool handed_on;
};

/* What is asked for, in ms of p95. */
double slowness_limit(const struct report_options *opt);
/* "1 s", for a heading. */
void slowness_put_limit(struct buf *out, const struct report_options *opt);
bool slowness_is(const struct report_options *opt,
		 const struct model_endpoint *p);
/* Is @s one of @p's? */
bool slowness_has(const struct model_endpoint *p, const struct model_slow *s);
void slowness_of(struct slowness *out, const struct model *m,
		 const struct model_endpoint *p);

/* "1.2 s asleep, 3.1 ms on a CPU", the most first; what is less than a
 * thousandth of @whole_ms is left out.  "" if that is all. */
void slowness_put_time(struct buf *out, const struct slow_time *t,
		       double whole_ms);
/* "asleep", "in a futex"; "on a CPU" where it did not wait. */
const char *slowness_state(bool waited, enum model_blocked why);
/* "inner < caller < its caller", without those that say nothing of it. */
void slowness_put_stack(struct buf *out, const struct model *m,
			const struct report_options *opt, uint32_t node);

/*
 * The stacks that say most of the slowest request of @p, most first: of own
 * threads and, where @s says that it was handed on, of others.  How many, at
 * most @most of each.
 */
size_t slowness_stacks(const struct model *m, const struct model_endpoint *p,
		       const struct slowness *s,
		       const struct model_slow_part **out, size_t most);

/* "GET /x: p95 is 1.3 s; unread 56 ms, ...", in one line. */
void slowness_put_sentence(struct buf *out, const struct model *m,
			   const struct report_options *opt,
			   const struct model_endpoint *p);
/* "GET /x: p95 rises by 12 ms a minute, from ..."; false: it is steady, or
 * that is not known. */
bool slowness_put_drift(struct buf *out, const struct model *m,
			const struct model_endpoint *p);

#endif
