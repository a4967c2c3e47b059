/*
 * corrected: what a client that waits for each answer would have seen, had it
 * not waited; see histo.h.
 */
#include <errno.h>

#include "profiler/latency/histo.h"

/* How many of value - interval, value - 2 * interval ... lie in the bucket. */
static uint64_t missing_in(const struct histo_bucket *b, uint64_t value,
			   uint64_t interval)
{
	uint64_t low = b->low > interval ? b->low : interval;
	uint64_t high = b->high < value - interval ? b->high : value - interval;

	if (low > high)
		return 0;
	return (value - low) / interval -
	       (value - high + interval - 1) / interval + 1;
}

static uint64_t middle_of(const struct histo_bucket *b, uint64_t most)
{
	uint64_t middle = b->low + (b->high - b->low) / 2;

	return middle < most ? middle : most;
}

/* @n times @value was waited for, while requests were due every @interval. */
static bool add_missing(struct histo *into, uint64_t value, uint64_t n,
			uint64_t interval)
{
	uint64_t last = value - interval;
	struct histo_bucket b;

	for (uint64_t at = interval; at <= last; at = b.high + 1) {
		uint64_t missing;

		b = histo_bucket_of(at);
		missing = missing_in(&b, value, interval);
		if (!histo_record_n(into, middle_of(&b, last), missing * n))
			return false;
	}
	return true;
}

int histo_add_corrected(struct histo *into, const struct histo *from,
			uint64_t interval_ns)
{
	struct histo_bucket b;
	int rc = histo_merge(into, from);

	for (uint32_t pos = 0; !rc && histo_next(from, &pos, &b);) {
		uint64_t value = middle_of(&b, histo_max(from));

		if (interval_ns && value / 2 >= interval_ns &&
		    !add_missing(into, value, b.count, interval_ns))
			rc = -ENOMEM;
	}
	return rc;
}
