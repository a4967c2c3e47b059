/*
 * fuzz_trend: whatever the numbers are, a series is refused or has one class,
 * finite figures where it grows, and an end.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/trend.h"

#define COLUMNS 4
#define POINTS	256

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const struct trend *t, size_t count)
{
	if (t->class > TREND_UNDECIDED || !(t->confidence >= 0) ||
	    t->confidence > 1 || !(t->p_value >= 0) || t->p_value > 1)
		abort();
	if (count > 0 && t->cut >= count)
		abort();
	if (t->class == TREND_GROWS &&
	    !(isfinite(t->slope.low) && isfinite(t->slope.high) &&
	      t->slope.low <= t->slope.value &&
	      t->slope.value <= t->slope.high))
		abort();
}

/* A byte of flags, then points: steps of x and t in 16 bits, y and its
 * variance as they are in memory. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	double column[COLUMNS][POINTS], x = 0, seconds = 0;
	const size_t point = 2 * sizeof(uint16_t) + 2 * sizeof(double);
	struct trend_series in = { 0 };
	struct trend t;
	uint8_t flags;
	int rc;

	if (size < 1)
		return 0;
	flags = *bytes++;
	size--;
	for (; size >= point && in.count < POINTS; size -= point) {
		uint16_t steps[2];

		memcpy(steps, bytes, sizeof(steps));
		column[0][in.count] = x += steps[0];
		column[1][in.count] = seconds += steps[1] / 1024.0;
		bytes += sizeof(steps);
		memcpy(&column[2][in.count], bytes, sizeof(double));
		bytes += sizeof(double);
		memcpy(&column[3][in.count++], bytes, sizeof(double));
		bytes += sizeof(double);
	}
	in.x = column[0];
	in.t = flags & 1 ? column[1] : NULL;
	in.y = column[2];
	in.variance = flags & 2 ? column[3] : NULL;
	in.slope_min = flags & 4 ? 1 : 0;
	in.rise_min = flags & 8 ? 1 : 0;
	rc = trend_of(&t, &in);
	if (rc == 0)
		check(&t, in.count);
	else if (rc != -EINVAL)
		abort();
	return 0;
}
