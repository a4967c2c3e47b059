/*
 * course: how latencies went over time: a histogram for each window of it.
 *
 * Coarser than histo.h, since there are so many: 16 buckets for each doubling
 * from 1 us to an hour, so a percentile is known within 3 %; those that are
 * empty take no room.  The windows are the caller's, COURSE_WINDOWS at most,
 * and become half as many when he says so, or when a course would take more
 * than 32 KiB: counts stay exact, only when is known less well.
 *
 * Single-threaded.
 */
#ifndef STRANDLINE_LATENCY_COURSE_H
#define STRANDLINE_LATENCY_COURSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/vec.h"

#define COURSE_WINDOWS	 60u
#define COURSE_BUCKETS	 513u
#define COURSE_CELLS	 4096u
#define COURSE_SHIFT_MAX 6u

struct course_cell {
	uint16_t window, bucket;
	uint32_t count;
};

struct course {
	VEC(struct course_cell) cells; /* by window, then bucket; none empty */
	uint32_t shift; /* cells' windows are 2^shift of the caller's */
};

void course_fini(struct course *c);
/* @ns in @window of the caller's; beyond an hour it is not counted.  False
 * when out of memory. */
bool course_add(struct course *c, uint32_t window, uint64_t ns);
/* Two windows of the caller's become one. */
void course_widen(struct course *c);
/* Could it be one, read from a file? */
bool course_sound(const struct course *c);

/* Sort cells and join equal ones; how many are left. */
size_t course_join(struct course_cell *cells, size_t count);
/* How many values the cells hold. */
uint64_t course_count(const struct course_cell *cells, size_t count);
/* The value, in ns, that a share @q (0..1) of theirs, sorted by bucket, is at
 * or below: the middle of its bucket. */
double course_quantile(const struct course_cell *cells, size_t count, double q);

#endif
