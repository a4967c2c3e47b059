/*
 * latencies: a histogram of the recording in the buckets of the model.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profiler/base/vec.h"
#include "profiler/latency/histo.h"
#include "profiler/model/build.h"

const double model_latency_bounds_s[MODEL_LATENCY_BOUNDS] = {
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5,
	0.75,	1,     2.5,    5,     7.5,  10,	   15,	 30,	60,  120,  300,
};

#define PER_DOUBLING 4

/* The one of the shown buckets that @ns falls into; below 1 us is one. */
static int shown(double ns)
{
	double step = floor(PER_DOUBLING * log2(ns / 1e3));

	return step > 0 ? (int)step : 0;
}

static double shown_ms(int index)
{
	return index > 0 ? exp2((double)index / PER_DOUBLING) / 1e3 : 0;
}

int build_latency(struct model_latency *to, const struct histo *h)
{
	VEC(struct model_bucket) buckets = VEC_INIT;
	struct histo_bucket b;
	int last = -1;

	*to = (struct model_latency) { .count = histo_count(h) };
	to->sum_s = histo_mean(h) * (double)to->count / 1e9;
	for (size_t i = 0; i < MODEL_LATENCY_BOUNDS; i++)
		to->within[i] = histo_at_or_below(
			h, (uint64_t)llround(model_latency_bounds_s[i] * 1e9));
	for (uint32_t pos = 0; histo_next(h, &pos, &b);) {
		int index = shown((double)b.low + (double)(b.high - b.low) / 2);
		struct model_bucket *one;

		if (index != last) {
			one = vec_push(&buckets);
			if (!one) {
				vec_free(&buckets);
				return -ENOMEM;
			}
			*one = (struct model_bucket) { shown_ms(index),
						       shown_ms(index + 1), 0 };
			last = index;
		}
		buckets.at[buckets.count - 1].count += b.count;
	}
	to->bucket_count = (uint32_t)buckets.count;
	to->buckets = buckets.at;
	return 0;
}
