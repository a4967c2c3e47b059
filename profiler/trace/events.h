/*
 * events: the records of one <pid>.slabs, merged into time order.
 *
 * A slab is in time order by itself; the slabs are merged by their next
 * record's ticks, equal ones by slab number, so the same bytes always give
 * the same order however often one stopped on the way.
 */
#ifndef STRANDLINE_TRACE_EVENTS_H
#define STRANDLINE_TRACE_EVENTS_H

#include "profiler/base/vec.h"
#include "profiler/trace/run.h"

struct cursors {
	VEC(struct cursor) at;
};

/*
 * Fold all records up to @until ticks of the slabs in @cursors, which is
 * sorted by (ticks, slab), and move the cursors on.  0, -ENOMEM, or -errno of
 * a read.
 */
int events_fold(int fd, struct cursors *cursors, struct fold *f,
		uint64_t until);

#endif
