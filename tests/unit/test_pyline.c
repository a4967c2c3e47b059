/*
 * Tables as the compilers of each version made them, of
 *
 *	10 def f(a):
 *	11     b = (a,
 *	12          g())
 *	13
 *	20     return b
 */
#include <criterion/criterion.h>

#include "profiler/sym/pyline.h"

static uint32_t line(uint32_t version, const uint8_t *bytes, size_t size,
		     int32_t at)
{
	struct pyline_table t = { version, 10, bytes, size };

	return pyline(&t, at);
}

Test(pyline, pairs_of_3_9_step_by_addresses)
{
	static const uint8_t table[] = { 0, 1, 2, 1, 4, 255, 4, 9 };

	cr_assert_eq(line(0x030900f0, table, 8, 0), 11);
	cr_assert_eq(line(0x030900f0, table, 8, 1), 11);
	cr_assert_eq(line(0x030900f0, table, 8, 2), 12);
	cr_assert_eq(line(0x030900f0, table, 8, 6), 11);
	cr_assert_eq(line(0x030900f0, table, 8, 100), 20);
}

Test(pyline, ranges_of_3_10_may_have_no_line)
{
	static const uint8_t table[] = { 2, 1, 4, 1, 2, 128, 4, 8 };

	cr_assert_eq(line(0x030a00f0, table, 8, 0), 11);
	cr_assert_eq(line(0x030a00f0, table, 8, 2), 12);
	cr_assert_eq(line(0x030a00f0, table, 8, 6), 12);
	cr_assert_eq(line(0x030a00f0, table, 8, 8), 20);
}

Test(pyline, entries_of_3_11_are_of_many_kinds)
{
	static const uint8_t table[] = {
		0x80 | 15 << 3,		     /* one unit without a line */
		0x80 | 11 << 3 | 1, 4,	  5, /* two, a line further */
		0x80 | 14 << 3,	    0x02, 0,	1, 1, /* one, a line further */
		0x80 | 0 << 3,	    0x12,	      /* one of the same line */
		0x80 | 13 << 3,	    0x50, 0x00,	      /* one, 8 lines further */
	};

	cr_assert_eq(line(0x030b02f0, table, sizeof(table), 0), 10);
	cr_assert_eq(line(0x030b02f0, table, sizeof(table), 2), 11);
	cr_assert_eq(line(0x030b02f0, table, sizeof(table), 5), 11);
	cr_assert_eq(line(0x030b02f0, table, sizeof(table), 6), 12);
	cr_assert_eq(line(0x030b02f0, table, sizeof(table), 8), 12);
	cr_assert_eq(line(0x030b02f0, table, sizeof(table), 10), 20);
}

Test(pyline, what_has_not_begun_is_at_the_first_line)
{
	static const uint8_t table[] = { 0, 1 };

	cr_assert_eq(line(0x030900f0, table, 2, -2), 10);
}

Test(pyline, a_table_cut_short_gives_the_last_line_it_has)
{
	static const uint8_t table[] = { 0x80 | 13 << 3, 0x7f };

	cr_assert_eq(line(0x030b02f0, table, 0, 4), 10);
	cr_assert_eq(line(0x030b02f0, table, 1, 4), 10);
	cr_assert_neq(line(0x030b02f0, table, 2, 0), 0);
	cr_assert_eq(line(0x030a00f0, table, 1, 4), 10);
}
