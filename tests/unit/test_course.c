/* Latencies over time: coarse histograms, window by window. */
#include <criterion/criterion.h>

#include "profiler/latency/course.h"

#define MS 1000000ULL

static double p95_of(const struct course *c, uint16_t window)
{
	size_t from = 0, count = 0;

	while (from < c->cells.count && c->cells.at[from].window < window)
		from++;
	while (from + count < c->cells.count &&
	       c->cells.at[from + count].window == window)
		count++;
	return course_quantile(c->cells.at + from, count, 0.95) / 1e6;
}

Test(course, percentiles_of_a_window_are_known_within_three_percent)
{
	struct course c = { 0 };

	for (uint64_t us = 1000; us <= 101000; us += 100)
		cr_assert(course_add(&c, 7, us * 1000));
	cr_expect_float_eq(p95_of(&c, 7), 96, 0.032 * 96);
	cr_expect_eq(course_count(c.cells.at, c.cells.count), 1001);
	course_fini(&c);
}

Test(course, windows_are_apart)
{
	struct course c = { 0 };

	for (int i = 0; i < 100; i++) {
		course_add(&c, 3, 80 * MS);
		course_add(&c, 2, 10 * MS);
	}
	cr_expect_float_eq(p95_of(&c, 2), 10, 0.32);
	cr_expect_float_eq(p95_of(&c, 3), 80, 2.5);
	cr_expect(course_sound(&c));
	course_fini(&c);
}

Test(course, two_windows_become_one)
{
	struct course c = { 0 };

	course_add(&c, 4, 10 * MS);
	course_add(&c, 5, 10 * MS);
	course_add(&c, 6, 10 * MS);
	course_widen(&c);
	cr_assert_eq(c.cells.count, 2);
	cr_expect_eq(c.cells.at[0].window, 2);
	cr_expect_eq(c.cells.at[0].count, 2);
	cr_expect_eq(c.cells.at[1].window, 3);
	course_fini(&c);
}

/* Each bucket of each window in use. */
static void fill(struct course *c)
{
	for (uint32_t w = 0; w < COURSE_WINDOWS; w++)
		for (uint64_t ns = 1024; ns < 1ULL << 40; ns += ns / 16)
			cr_assert(course_add(c, w, ns));
}

Test(course, its_room_is_bounded_and_its_counts_are_exact)
{
	struct course c = { 0 };
	uint64_t all = 0;

	fill(&c);
	for (uint64_t ns = 1024; ns < 1ULL << 40; ns += ns / 16)
		all += COURSE_WINDOWS;
	cr_expect_leq(c.cells.count, COURSE_CELLS);
	cr_expect_gt(c.shift, 0);
	cr_expect_eq(course_count(c.cells.at, c.cells.count), all);
	cr_expect(course_sound(&c));
	course_fini(&c);
}

Test(course, what_was_joined_early_is_not_joined_again)
{
	struct course c = { 0 };
	uint32_t shift;
	size_t count;

	fill(&c);
	shift = c.shift;
	count = c.cells.count;
	course_widen(&c);
	cr_expect_eq(c.shift, shift - 1);
	cr_expect_eq(c.cells.count, count);
	course_fini(&c);
}

Test(course, beyond_an_hour_is_not_counted)
{
	struct course c = { 0 };

	cr_expect(course_add(&c, 0, 3601ULL * 1000 * MS));
	cr_expect_eq(c.cells.count, 0);
	course_fini(&c);
}

Test(course, cells_out_of_order_are_not_sound)
{
	struct course_cell cells[] = { { 1, 4, 1 }, { 0, 5, 1 } };
	struct course c = { .cells = { cells, 2, 2 } };

	cr_expect_not(course_sound(&c));
	cells[1].window = 1;
	cr_expect(course_sound(&c));
	cells[1].bucket = COURSE_BUCKETS;
	cr_expect_not(course_sound(&c));
	cells[1].bucket = 5;
	cells[0].count = 0;
	cr_expect_not(course_sound(&c));
}
