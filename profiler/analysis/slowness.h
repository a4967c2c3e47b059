/*
 * slowness: where the time of an endpoint's slowest requests went.
 */
#ifndef STRANDLINE_ANALYSIS_SLOWNESS_H
#define STRANDLINE_ANALYSIS_SLOWNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/model/model.h"

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
	 * others of the process began and ended meanwhile, but for what they do
	 * all the time. */
	bool seen;
	struct slow_time own, others;
	/* Its thread waited for other events most of the time: an event loop,
	 * which had others do it, or had nothing to do for it. */
	bool handed_on;
};

/* Is @s one of @p's? */
bool slowness_has(const struct model_endpoint *p, const struct model_slow *s);
void slowness_of(struct slowness *out, const struct model *m,
		 const struct model_endpoint *p);

/*
 * The stacks that say most of the slowest request of @p, most first: of own
 * threads and, where @s says that it was handed on, of others.  How many, at
 * most @most of each.
 */
size_t slowness_stacks(const struct model *m, const struct model_endpoint *p,
		       const struct slowness *s,
		       const struct model_slow_part **out, size_t most);

#endif
