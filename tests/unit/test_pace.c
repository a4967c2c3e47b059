/*
 * How dense samples are, and when watching has cost too much.
 */
#include <criterion/criterion.h>

#include "profiler/probe/pace.h"

static const struct pace pace = { .wanted = 500, .least = 1000, .most = 1e6 };

Test(pace, as_many_samples_as_are_wanted_leave_the_mean_alone)
{
	cr_expect_eq(pace_mean(&pace, 65536, 100, 200000000), 65536);
}

Test(pace, more_samples_make_it_larger_and_at_most_double)
{
	cr_expect_eq(pace_mean(&pace, 10000, 150, 200000000), 15000);
	cr_expect_eq(pace_mean(&pace, 10000, 5000, 200000000), 20000);
}

Test(pace, no_samples_halve_it)
{
	cr_expect_eq(pace_mean(&pace, 10000, 0, 200000000), 5000);
}

Test(pace, it_stays_within_its_bounds)
{
	cr_expect_eq(pace_mean(&pace, 1500, 0, 200000000), 1000);
	cr_expect_eq(pace_mean(&pace, 900000, 9999, 200000000), 1000000);
}

Test(budget, what_is_spent_below_the_share_never_adds_up)
{
	struct budget b = { .share = 0.02, .at_once_ns = 10 };

	for (int i = 0; i < 1000; i++)
		cr_assert(budget_spend(&b, 1000, 50000));
}

Test(budget, a_moment_above_it_is_allowed)
{
	struct budget b = { .share = 0.02, .at_once_ns = 40e6 };

	cr_expect(budget_spend(&b, 30e6, 50e6));
	cr_expect_not(budget_spend(&b, 30e6, 50e6));
}

Test(budget, what_is_a_little_above_it_all_the_time_is_not)
{
	struct budget b = { .share = 0.02, .at_once_ns = 40e6 };
	int ticks = 0;

	while (budget_spend(&b, 1.5e6, 50e6))
		ticks++;
	cr_expect_eq(ticks, 80);
}
