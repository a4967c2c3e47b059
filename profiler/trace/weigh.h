/*
 * weigh: what one block of a sample counts for, by the probability that it
 * was seen (fold.h).
 */
#ifndef STRANDLINE_TRACE_WEIGH_H
#define STRANDLINE_TRACE_WEIGH_H

#include <stdbool.h>

struct weight { /* in a sum */
	double bytes, count;
	double bytes_variance, count_variance;
	bool exact;
};

static inline struct weight weigh(double size, float probability)
{
	double w, v;

	if (__builtin_expect(probability == 1.0F, 1))
		return (struct weight) { size, 1, 0, 0, true };
	w = 1.0 / (double)probability;
	v = (1.0 - (double)probability) * w * w;
	return (struct weight) { size * w, w, size * size * v, v, false };
}

#endif
