#include "profiler/analysis/trend.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/fixture_series.h"

static struct run p;
static struct rng rng;

/* 60 seconds of 2,000 requests each. */
static void setup(void)
{
	rng = (struct rng) { 1 };
	run_start(&p, &rng, 60, 2000);
}

TestSuite(trend, .init = setup);

static struct trend trend(void)
{
	struct trend t;

	cr_assert_eq(run_trend(&t, &p), 0);
	return t;
}

#define assert_class(t, expected) \
	cr_assert_eq((t).class, (expected), "%s", trend_class_name((t).class))

Test(trend, a_constant_level_is_level)
{
	assert_class(trend(), TREND_LEVEL);
}

Test(trend, noise_around_a_level_is_level)
{
	add_white(&p, &rng, 1e5);
	assert_class(trend(), TREND_LEVEL);
}

Test(trend, a_leak_grows_by_what_each_request_leaves)
{
	struct trend t;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1024 * p.x[i];
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert_lt(fabs(t.slope.value - 1024), 0.1);
	cr_assert_lt(fabs(t.per_second.value - 2048000), 20480);
}

Test(trend, a_leak_in_noise_of_a_third_of_its_rise_grows)
{
	add_line(&p, 3e5);
	add_white(&p, &rng, 1e5);
	assert_class(trend(), TREND_GROWS);
}

Test(trend, a_jump_is_no_trend)
{
	struct trend t;

	add_step(&p, 0.5, 1e6);
	t = trend();
	cr_assert_neq(t.class, TREND_GROWS);
	cr_assert_neq(t.class, TREND_UNDECIDED);
}

Test(trend, a_cache_that_is_full_fills)
{
	add_fill(&p, 1 / 3., 1e6);
	assert_class(trend(), TREND_FILLS);
}

Test(trend, seven_points_are_undecided)
{
	p.count = 7;
	add_line(&p, 1e6);
	assert_class(trend(), TREND_UNDECIDED);
}

Test(trend, what_is_not_a_series_is_refused)
{
	struct trend t;

	p.x[9] = 1;
	cr_assert_eq(run_trend(&t, &p), -EINVAL);
	setup();
	p.y[9] = NAN;
	cr_assert_eq(run_trend(&t, &p), -EINVAL);
	setup();
	p.y[9] = INFINITY;
	cr_assert_eq(run_trend(&t, &p), -EINVAL);
}

Test(trend, no_points_and_one_are_undecided)
{
	p.count = 0;
	assert_class(trend(), TREND_UNDECIDED);
	p.count = 1;
	assert_class(trend(), TREND_UNDECIDED);
}

Test(trend, points_without_a_request_between_them_are_one)
{
	for (size_t i = 0; i < p.count; i++) {
		p.x[i] = 0;
		p.y[i] = (double)i;
	}
	assert_class(trend(), TREND_UNDECIDED);
}

Test(trend, the_largest_and_least_levels_have_a_slope)
{
	struct trend t;

	add_line(&p, 1e149);
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert(isfinite(t.slope.low) && isfinite(t.slope.high));
	setup();
	add_line(&p, 1e-300);
	assert_class(trend(), TREND_GROWS);
}

Test(trend, what_is_too_large_to_be_squared_is_refused)
{
	struct trend t;

	p.y[3] = 1e200;
	cr_assert_eq(run_trend(&t, &p), -EINVAL);
}

Test(trend, what_moves_by_less_than_matters_is_level_at_once)
{
	struct trend_series in = { p.count, p.x, p.y, .rise_min = 1024 };
	struct trend t;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 16 * (double)i;
	cr_assert_eq(trend_of(&t, &in), 0);
	assert_class(t, TREND_LEVEL);
	cr_assert(t.slope.low < 0 && t.slope.high >= t.slope.value);
}

Test(trend, seconds_serve_where_there_are_no_requests)
{
	struct trend_series in = { .count = p.count, .x = p.t, .y = p.y };
	struct trend t;

	add_line(&p, 6e5);
	cr_assert_eq(trend_of(&t, &in), 0);
	assert_class(t, TREND_GROWS);
	cr_assert_eq(t.slope.value, t.per_second.value);
	cr_assert_eq(t.seconds, 59);
}

Test(trend, each_class_has_a_name)
{
	cr_assert_str_eq(trend_class_name(TREND_FILLS), "fills");
	cr_assert_str_eq(trend_class_name(TREND_UNDECIDED), "undecided");
}
