/*
 * Charges for pages, and what takes them back.
 */
#include <criterion/criterion.h>

#include "profiler/probe/taken.h"

static uint64_t given_back; /* pages taken back */

static void take(void *context, const struct taken_charge *c)
{
	(void)context;
	given_back += c->pages;
}

static void add(struct taken *p, uint64_t address, uint32_t pages)
{
	const struct taken_charge c = { address, 1, pages };

	cr_assert_eq(taken_add(p, &c), 0);
}

static uint64_t remove_range(struct taken *p, uint64_t start, uint64_t end)
{
	given_back = 0;
	taken_remove(p, start, end, take, NULL);
	return given_back;
}

Test(taken, a_range_takes_what_stands_in_it_and_no_more)
{
	struct taken *p = taken_new();

	add(p, 0x1000, 1);
	add(p, 0x2000, 2);
	add(p, 0x3000, 4);
	cr_expect_eq(remove_range(p, 0x2000, 0x3000), 2);
	cr_expect_eq(remove_range(p, 0x2000, 0x3000), 0);
	cr_expect_eq(taken_count(p), 2);
	taken_free(p);
}

Test(taken, a_range_over_many_regions_takes_all_of_them)
{
	struct taken *p = taken_new();

	for (uint64_t i = 0; i < 100; i++)
		add(p, i << 22, 1);
	cr_expect_eq(remove_range(p, 1ULL << 22, 3ULL << 22), 2);
	cr_expect_eq(remove_range(p, 0, UINT64_MAX), 98);
	cr_expect_eq(taken_count(p), 0);
	taken_free(p);
}

Test(taken, an_empty_or_backward_range_takes_nothing)
{
	struct taken *p = taken_new();

	add(p, 0, 1);
	cr_expect_eq(remove_range(p, 0, 0), 0);
	cr_expect_eq(remove_range(p, 10, 5), 0);
	taken_free(p);
}

Test(taken, what_was_moved_is_taken_where_it_stands_now)
{
	struct taken *p = taken_new();

	add(p, 0x1000, 1);
	add(p, 0x5000, 2);
	taken_move(p, 0x1000, 0x2000, 0x700000000000);
	cr_expect_eq(remove_range(p, 0x1000, 0x2000), 0);
	cr_expect_eq(remove_range(p, 0x700000000000, 0x700000001000), 1);
	cr_expect_eq(taken_count(p), 1);
	taken_free(p);
}

Test(taken, a_move_to_a_place_that_overlaps_keeps_all)
{
	struct taken *p = taken_new();

	for (uint64_t i = 0; i < 10; i++)
		add(p, i << 21, 1);
	taken_move(p, 0, 10ULL << 21, 1ULL << 21);
	cr_expect_eq(remove_range(p, 1ULL << 21, 11ULL << 21), 10);
	taken_free(p);
}
