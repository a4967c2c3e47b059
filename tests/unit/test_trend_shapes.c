/* Levels that rise, and stop or will: none of them grows. */
#include "profiler/analysis/trend.h"

#include <criterion/criterion.h>

#include "tests/unit/fixture_series.h"

static struct run p;
static struct rng rng;

/* 60 seconds of 2,000 requests each. */
static void setup(void)
{
	rng = (struct rng) { 1 };
	run_start(&p, &rng, 60, 2000);
}

TestSuite(shapes, .init = setup);

static struct trend trend(void)
{
	struct trend t;

	cr_assert_eq(run_trend(&t, &p), 0);
	return t;
}

#define assert_class(t, expected) \
	cr_assert_eq((t).class, (expected), "%s", trend_class_name((t).class))

static bool is_clean(struct trend t)
{
	return t.class == TREND_LEVEL || t.class == TREND_FILLS;
}

Test(shapes, a_jump_is_no_trend_wherever_it_is)
{
	for (double where = 0.05; where < 1; where += 0.05) {
		setup();
		add_step(&p, where, 1e6);
		cr_assert(is_clean(trend()), "at %g", where);
	}
}

Test(shapes, a_table_that_doubled_and_is_full_fills)
{
	for (double last = 0.1; last < 0.6; last += 0.05) {
		setup();
		add_staircase(&p, 2, last, 1e6);
		cr_assert(is_clean(trend()), "until %g", last);
	}
}

Test(shapes, a_table_that_doubles_until_the_end_grows)
{
	struct trend t;

	add_staircase(&p, 2, 0.8, 1e6);
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert_eq(t.shape, SHAPE_STAIRCASE);
}

Test(shapes, a_journal_that_grows_by_a_quarter_at_a_time_grows)
{
	add_staircase(&p, 1.25, 0.9, 1e6);
	assert_class(trend(), TREND_GROWS);
}

Test(shapes, a_list_that_grows_by_an_eighth_at_a_time_grows)
{
	add_staircase(&p, 1.125, 0.97, 1e6);
	assert_class(trend(), TREND_GROWS);
}

Test(shapes, a_sawtooth_is_level_whatever_its_pace)
{
	for (double teeth = 2; teeth < 30; teeth *= 1.3) {
		setup();
		add_sawtooth(&p, &rng, teeth, 0.1, 1e6);
		assert_class(trend(), TREND_LEVEL);
	}
}

Test(shapes, a_leak_below_a_sawtooth_grows)
{
	add_sawtooth(&p, &rng, 11, 0.1, 1e6);
	add_line(&p, 1e6);
	assert_class(trend(), TREND_GROWS);
}

Test(shapes, a_collector_of_two_generations_is_level)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e6 * fmod(3.7 * run_x(&p, i), 1) +
			 2e5 * fmod(31 * run_x(&p, i), 1);
	assert_class(trend(), TREND_LEVEL);
}

Test(shapes, a_cache_that_is_emptied_and_fills_again_is_level)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e6 * fmod(run_x(&p, i) / 0.4, 1);
	cr_assert(is_clean(trend()));
}

Test(shapes, a_logistic_fill_fills)
{
	for (double middle = 0.1; middle < 0.6; middle += 0.1) {
		setup();
		add_logistic(&p, middle, 0.05, 1e6);
		assert_class(trend(), TREND_FILLS);
	}
}

Test(shapes, a_logarithm_fills)
{
	for (double least = 1e-5; least < 0.02; least *= 3) {
		setup();
		add_log(&p, least, 1e6);
		assert_class(trend(), TREND_FILLS);
	}
}

Test(shapes, a_root_fills)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e6 * sqrt(run_x(&p, i));
	assert_class(trend(), TREND_FILLS);
}

Test(shapes, words_seen_for_the_first_time_fill)
{
	add_interned(&p, &rng, 4000, 1, 1e6);
	assert_class(trend(), TREND_FILLS);
}

Test(shapes, a_pool_as_large_as_there_ever_was_need_of_does_not_grow)
{
	add_records(&p, &rng, 8, 1e4);
	cr_assert(is_clean(trend()));
}

Test(shapes, a_pool_that_had_to_grow_a_few_times_is_no_trend)
{
	for (int units = 1; units < 6; units++) {
		setup();
		for (int k = 1; k <= units; k++)
			add_step(&p, k / (units + 1.), 1e4);
		cr_assert(is_clean(trend()), "by %d", units);
	}
}

Test(shapes, tables_built_by_the_first_request_of_a_route_fill)
{
	for (int route = 1; route <= 40; route++)
		add_step(&p, 0.6 * pow(route / 40., 3), 25e3);
	assert_class(trend(), TREND_FILLS);
}

Test(shapes, a_cache_that_is_full_before_the_end_fills)
{
	for (double where = 0.1; where < 0.92; where += 0.1) {
		setup();
		add_fill(&p, where, 1e6);
		assert_class(trend(), TREND_FILLS);
	}
}

Test(shapes, a_full_cache_is_a_plateau)
{
	add_fill(&p, 0.5, 1e6);
	cr_assert_eq(trend().shape, SHAPE_PLATEAU);
}

/* The rule: nothing tells a cache that has room to the end from a leak. */
Test(shapes, a_cache_that_is_not_full_at_the_end_grows)
{
	add_fill(&p, 1.1, 1e6);
	assert_class(trend(), TREND_GROWS);
}

Test(shapes, a_warm_up_and_then_nothing_is_clean)
{
	add_decay(&p, 0.05, 1e6);
	add_white(&p, &rng, 1e4);
	cr_assert(is_clean(trend()));
}

Test(shapes, a_warm_up_and_then_a_leak_grows_by_the_leak)
{
	struct trend t;

	add_decay(&p, 0.03, 5e6);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] += 16 * p.x[i];
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert_lt(fabs(t.slope.value - 16), 0.8);
}

Test(shapes, a_leak_that_begins_in_the_middle_grows_by_what_it_is_then)
{
	struct trend t;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = fmax(0, 96 * (p.x[i] - 60000));
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert_lt(fabs(t.slope.value - 96), 1);
}

Test(shapes, a_leak_that_ended_fills)
{
	add_fill(&p, 0.4, 1e6);
	add_white(&p, &rng, 1e3);
	assert_class(trend(), TREND_FILLS);
}

static double quadruple(double t, double when)
{
	return t < when ? 0.5 : 2;
}

static double day(double t, double days)
{
	return 1 + 0.7 * sin(2 * M_PI * (t * days - 0.25));
}

static double ramp(double t, double to)
{
	return 1 + (to - 1) * t;
}

Test(shapes, a_level_that_follows_a_step_of_the_load_is_clean)
{
	run_load(&p, &rng, 2000, quadruple, 0.5);
	add_load(&p, 100);
	cr_assert(is_clean(trend()));
}

Test(shapes, a_level_that_follows_the_day_is_clean)
{
	for (double days = 0.4; days < 3; days += 0.2) {
		setup();
		run_load(&p, &rng, 2000, day, days);
		add_load(&p, 100);
		cr_assert(is_clean(trend()), "%g days", days);
	}
}

Test(shapes, a_level_that_follows_a_ramp_is_clean)
{
	run_load(&p, &rng, 2000, ramp, 4);
	add_load(&p, 100);
	cr_assert(is_clean(trend()));
}

Test(shapes, a_leak_under_a_ramp_grows)
{
	struct trend t;

	run_load(&p, &rng, 2000, ramp, 4);
	add_load(&p, 100);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] += 16 * p.x[i];
	t = trend();
	assert_class(t, TREND_GROWS);
	cr_assert_lt(fabs(t.slope.value - 16), 1);
}

Test(shapes, what_an_exit_frees_hides_no_leak)
{
	add_line(&p, 1e6);
	p.y[p.count - 1] = 0;
	assert_class(trend(), TREND_GROWS);
}

Test(shapes, idle_seconds_before_and_after_the_load_hide_no_leak)
{
	for (size_t i = 0; i < p.count; i++) {
		p.x[i] = 2000 * fmin(fmax((double)i - 10, 0), 40);
		p.y[i] = i < 8 ? 1e4 * (double)i : 1e5 + 16 * p.x[i];
	}
	assert_class(trend(), TREND_GROWS);
}
