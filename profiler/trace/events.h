/*
 * events: the records of one <pid>.slabs, decoded and in time order.
 *
 * A slab is a run in time order by itself; the runs are merged by a heap on
 * the next record's ticks.  A slab is read (pread, 64 KiB) when the merge
 * reaches its first record and let go after its last, so memory is bounded
 * by the threads that wrote at one time.
 */
#ifndef STRANDLINE_TRACE_EVENTS_H
#define STRANDLINE_TRACE_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/trace/fold.h"
#include "profiler/wire/slab.h"

struct events_slab { /* an EVENTS slab of the file */
	uint64_t number;
	uint64_t first_ticks;
	int32_t tid;
};

/*
 * Fold all records of the slabs @at[0..count) of @fd into @f.  Slabs whose
 * bytes end badly are counted in *@torn.  0, -ENOMEM, or -errno of a read.
 */
int events_fold(int fd, struct events_slab *at, size_t count, struct fold *f,
		uint64_t *torn);

#endif
