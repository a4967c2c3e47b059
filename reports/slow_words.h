/*
 * slow_words: which endpoints are slow, and in words where the time of their
 * slowest requests went.
 */
#ifndef STRANDLINE_REPORTS_SLOW_WORDS_H
#define STRANDLINE_REPORTS_SLOW_WORDS_H

#include "profiler/analysis/slowness.h"

struct buf;
struct report_options;

#define SLOWNESS_MS 1000 /* of p95, where nothing else is asked for */

/* What is asked for, in ms of p95; and of @p, which may have one of its own. */
double slowness_limit(const struct report_options *opt);
double slowness_limit_of(const struct report_options *opt,
			 const struct model_endpoint *p);
/* "1 s", for a heading; "1 s, or their own limit". */
void slowness_put_limit(struct buf *out, const struct report_options *opt);
bool slowness_is(const struct report_options *opt,
		 const struct model_endpoint *p);
/* "1.2 s asleep, 3.1 ms on a CPU", the most first; what is less than a
 * hundredth of @whole_ms is left out.  "" if that is all. */
void slowness_put_time(struct buf *out, const struct slow_time *t,
		       double whole_ms);
/* "asleep", "in a futex"; "on a CPU" where it did not wait. */
const char *slowness_state(bool waited, enum model_blocked why);
/* "inner < caller < its caller", without those that say nothing of it. */
void slowness_put_stack(struct buf *out, const struct model *m,
			const struct report_options *opt, uint32_t node);

/* "GET /x: p95 is 1.3 s; unread 56 ms, ...", in one line. */
void slowness_put_sentence(struct buf *out, const struct model *m,
			   const struct report_options *opt,
			   const struct model_endpoint *p);
/* "GET /x: p95 rises by 12 ms a minute, from ..."; false: it is steady, or
 * that is not known. */
bool slowness_put_drift(struct buf *out, const struct model *m,
			const struct model_endpoint *p);

#endif
