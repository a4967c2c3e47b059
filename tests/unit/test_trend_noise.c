/* Noise of all kinds, with and without a leak in it. */
#include "profiler/analysis/trend.h"

#include <criterion/criterion.h>

#include "tests/unit/fixture_series.h"

static struct run p;
static struct rng rng;

static void setup(void)
{
	rng = (struct rng) { 1 };
	run_start(&p, &rng, 60, 2000);
}

TestSuite(noise, .init = setup);

static struct trend trend(void)
{
	struct trend t;

	cr_assert_eq(run_trend(&t, &p), 0);
	return t;
}

#define assert_class(t, expected) \
	cr_assert_eq((t).class, (expected), "%s", trend_class_name((t).class))

Test(noise, a_few_levels_that_come_again_are_level)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e4 * floor(rng_between(&rng, 0, 3));
	assert_class(trend(), TREND_LEVEL);
}

Test(noise, heavy_tails_are_level)
{
	add_pareto(&p, &rng, 1e4, 1.2);
	assert_class(trend(), TREND_LEVEL);
}

Test(noise, a_leak_among_heavy_tails_grows)
{
	add_pareto(&p, &rng, 1e4, 1.5);
	add_line(&p, 1e6);
	assert_class(trend(), TREND_GROWS);
}

Test(noise, one_large_block_now_and_then_is_level)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = rng_uniform(&rng) < 0.4 ? 4e7 : 0;
	assert_class(trend(), TREND_LEVEL);
}

Test(noise, noise_that_remembers_does_not_grow)
{
	add_drift(&p, &rng, 1e5, 0.95);
	cr_assert_neq(trend().class, TREND_GROWS);
}

Test(noise, a_random_walk_does_not_grow)
{
	add_drift(&p, &rng, 1e5, 1);
	cr_assert_neq(trend().class, TREND_GROWS);
}

Test(noise, a_leak_on_a_random_walk_far_below_it_grows)
{
	add_drift(&p, &rng, 1e4, 1);
	add_line(&p, 1e6);
	assert_class(trend(), TREND_GROWS);
}

Test(noise, a_large_leak_of_one_request_in_a_thousand_grows)
{
	double held = 0;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = held += 65536 * rng_poisson(&rng, 2);
	assert_class(trend(), TREND_GROWS);
}

Test(noise, sixteen_bytes_a_request_grow)
{
	struct trend t;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 16 * p.x[i] + 1600 * rng_uniform(&rng);
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert_lt(fabs(t.slope.value - 16), 0.1);
}

Test(noise, thirty_seconds_are_enough_for_a_plain_leak)
{
	p.count = 30;
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 256 * p.x[i] + 1e5 * rng_uniform(&rng);
	assert_class(trend(), TREND_GROWS);
}

Test(noise, ten_minutes_find_what_one_does_not)
{
	run_start(&p, &rng, 600, 2000);
	add_line(&p, 1e5);
	add_white(&p, &rng, 1e5);
	assert_class(trend(), TREND_GROWS);
}

Test(noise, growth_that_does_not_matter_is_level)
{
	struct trend_series in = { p.count, p.x, p.y, p.t, .slope_min = 2 };
	struct trend t;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = p.x[i];
	cr_assert_eq(trend_of(&t, &in), 0);
	assert_class(t, TREND_LEVEL);
	in.slope_min = 0.5;
	cr_assert_eq(trend_of(&t, &in), 0);
	assert_class(t, TREND_GROWS);
}

Test(noise, an_alarm_that_must_not_be_false_takes_more)
{
	struct trend_series in = { p.count, p.x, p.y, p.t, .alpha = 1e-12 };
	struct trend t;

	add_line(&p, 3e5);
	add_white(&p, &rng, 1e5);
	assert_class(trend(), TREND_GROWS);
	cr_assert_eq(trend_of(&t, &in), 0);
	cr_assert_neq(t.class, TREND_GROWS);
}

/* --- sampled, at 64 KiB on average ---------------------------------------- */

Test(noise, a_sampled_leak_grows_and_its_interval_holds_the_truth)
{
	struct trend t;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1024 * p.x[i];
	run_sample(&p, &rng, 1024, 65536, 0);
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert(t.slope.low < 1024 && 1024 < t.slope.high);
}

Test(noise, what_is_in_flight_is_level_when_sampled)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 5e4;
	run_sample(&p, &rng, 4096, 65536, 1);
	assert_class(trend(), TREND_LEVEL);
}

Test(noise, a_cache_that_replaces_is_clean_when_sampled)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e8;
	run_sample(&p, &rng, 2048, 65536, 0.05);
	cr_assert_lt(trend().class, TREND_GROWS);
}

Test(noise, a_full_cache_fills_when_sampled)
{
	add_fill(&p, 0.4, 3e7);
	run_sample(&p, &rng, 2048, 65536, 0.03);
	assert_class(trend(), TREND_FILLS);
}

Test(noise, a_handful_of_samples_is_undecided_and_says_how_many_more)
{
	struct trend t;

	for (size_t i = 0; i < p.count; i++) {
		p.y[i] = 1e5 * floor((double)i / 10);
		p.variance[i] = 1e5 * p.y[i];
	}
	p.sampled = true;
	t = trend();
	assert_class(t, TREND_UNDECIDED);
	cr_assert_gt(t.more, 0);
	cr_assert_gt(t.more_seconds, 0);
}

Test(noise, seven_points_say_how_many_are_missing)
{
	struct trend t;

	p.count = 7;
	t = trend();
	assert_class(t, TREND_UNDECIDED);
	cr_assert_lt(fabs(t.more_seconds - 1), 1e-9);
}

Test(noise, a_fill_under_noise_that_hides_its_bend_does_not_grow)
{
	run_start(&p, &rng, 120, 1000);
	add_decay(&p, 0.1, 2e6);
	add_white(&p, &rng, 5e5);
	cr_assert_neq(trend().class, TREND_GROWS);
}

Test(noise, sixteen_samples_of_a_rare_leak_are_enough)
{
	struct trend_series in = { p.count,
				   p.x,
				   p.y,
				   p.t,
				   .variance = p.variance,
				   .rise_min = 4 * 65536,
				   .alpha = 2e-4 };
	struct trend t;

	for (size_t i = 0; i < p.count; i++) {
		p.y[i] = 65536 * floor(0.27 * (double)i);
		p.variance[i] = 60000 * p.y[i];
	}
	cr_assert_eq(trend_of(&t, &in), 0);
	assert_class(t, TREND_GROWS);
}
