/* Does an endpoint get slower while it is recorded? */
#include <criterion/criterion.h>
#include <math.h>

#include "profiler/analysis/drift.h"
#include "profiler/model/model.h"

#define WINDOWS 60

static struct model_moment course[WINDOWS];
static const struct model_endpoint endpoint = { .course = course };
static const struct model model = { .course_count = WINDOWS,
				    .course_seconds = 2 };

/* @rise: by the end, of 50 ms; noise of some 2 ms that no window shares. */
static struct drift drift_with(double rise)
{
	uint32_t seed = 12345;
	struct drift d;

	for (int w = 0; w < WINDOWS; w++) {
		seed = seed * 1664525 + 1013904223;
		course[w].count = 100;
		course[w].p95_ms = 50 + rise * w / WINDOWS +
				   4.0 * (seed >> 8) / (1 << 24) - 2;
	}
	drift_of(&d, &model, &endpoint);
	return d;
}

Test(drift, an_endpoint_that_gets_slower_is_told_by_how_much)
{
	struct drift d = drift_with(60);

	cr_assert_eq(d.class, DRIFT_RISES);
	cr_expect_float_eq(d.ms_per_minute, 30, 2);
	cr_expect_float_eq(d.from_ms, 50, 2);
	cr_expect_float_eq(d.to_ms, 109, 3);
	cr_expect_lt(d.p_value, 1e-6);
}

Test(drift, one_that_gets_faster_falls)
{
	cr_expect_eq(drift_with(-30).class, DRIFT_FALLS);
}

Test(drift, noise_is_no_trend)
{
	cr_expect_eq(drift_with(0).class, DRIFT_STEADY);
}

Test(drift, less_than_a_tenth_does_not_matter)
{
	struct drift d = drift_with(4.5);

	cr_expect_lt(d.p_value, 0.01);
	cr_expect_eq(d.class, DRIFT_STEADY);
}

Test(drift, few_windows_with_enough_requests_say_nothing)
{
	struct drift d;

	drift_with(60);
	for (int w = 7; w < WINDOWS; w++)
		course[w].count = 3;
	drift_of(&d, &model, &endpoint);
	cr_expect_eq(d.class, DRIFT_UNKNOWN);
	cr_expect_eq(d.windows, 7);
	cr_expect(isnan(d.ms_per_minute));
}

Test(drift, an_endpoint_without_a_course_has_no_trend)
{
	const struct model_endpoint none = { .course = NULL };
	struct drift d;

	drift_of(&d, &model, &none);
	cr_expect_eq(d.class, DRIFT_UNKNOWN);
}
