/* One figure over several runs: its centre, and how far to trust it. */
#include "profiler/analysis/side.h"

#include <criterion/criterion.h>
#include <math.h>

static struct side of(const double *values, size_t count, double variance)
{
	struct side s = { 0 };

	for (size_t i = 0; i < count; i++)
		cr_assert_eq(side_add(&s, values[i], variance), 0);
	return s;
}

#define SIDE(variance, ...)                                           \
	of((const double[]) { __VA_ARGS__ },                          \
	   sizeof((const double[]) { __VA_ARGS__ }) / sizeof(double), \
	   variance)

Test(side, one_run_is_as_sure_as_it_says)
{
	struct side a = SIDE(9, 100), b = SIDE(4, 70);
	struct side_summary s;

	side_summarise(&s, &a, &b, 0);
	cr_assert_eq(s.centre, 100);
	cr_assert_eq(s.variance, 9);
	side_free(&a);
	side_free(&b);
}

Test(side, one_run_against_several_takes_their_spread)
{
	struct side one = SIDE(0, 100);
	struct side more = SIDE(0, 90, 95, 100, 105, 110, 115, 120);
	struct side_summary s;

	side_summarise(&s, &one, &more, 0);
	cr_assert_float_eq(sqrt(s.variance), 1.4826 * 1.14 * 10, 1e-9);
	side_free(&one);
	side_free(&more);
}

Test(side, one_odd_run_of_many_moves_next_to_nothing)
{
	struct side clean = SIDE(0, 98, 99, 100, 101, 102);
	struct side odd = SIDE(0, 98, 99, 100, 101, 9000);
	struct side_summary a, b;

	side_summarise(&a, &clean, &clean, 0);
	side_summarise(&b, &odd, &odd, 0);
	cr_assert_eq(b.centre, a.centre);
	cr_assert_eq(b.variance, a.variance);
	side_free(&clean);
	side_free(&odd);
}

Test(side, equal_runs_are_no_surer_than_each_says)
{
	struct side s = SIDE(25, 100, 100, 100, 100);
	struct side_summary got;

	side_summarise(&got, &s, &s, 0);
	cr_assert_float_eq(got.variance, 25 * 0.298, 1e-9);
	side_free(&s);
}

Test(side, a_side_without_runs_is_not_known)
{
	struct side none = { 0 }, some = SIDE(0, 1);
	struct side_summary got;

	side_summarise(&got, &none, &some, 0);
	cr_assert_eq(got.runs, 0);
	cr_assert(isnan(got.centre));
	cr_assert(isnan(side_figure(&got, 2).low));
	side_free(&some);
}
