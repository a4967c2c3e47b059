/*
 * weights: what the records of a <pid>.probe.slabs add up to: one sum a stack
 * and kind, and the texts that its nodes refer to.  Every byte is foreign.
 */
#ifndef STRANDLINE_TRACE_WEIGHTS_H
#define STRANDLINE_TRACE_WEIGHTS_H

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/trace/reader.h"

struct weights {
	struct hash *places; /* node and kind -> index; NULL: no record yet */
	VEC(struct trace_weight) sums;
	VEC(char *) texts;
	uint64_t last_ns; /* of the records */
};

/* Take a record, if it is one of these.  0 or -ENOMEM. */
int weights_record(struct weights *w, const struct wire_head *record);
/* Sort, and put into @view. */
void weights_finish(struct weights *w, struct trace_image *view);
void weights_fini(struct weights *w);

#endif
