/* Numbers with their units, as they are read. */
#include "profiler/analysis/amount.h"

#include <criterion/criterion.h>
#include <math.h>

static void check(enum amount_unit unit, double value, const char *text)
{
	char got[AMOUNT_MAX];

	cr_assert_str_eq(amount_format(got, unit, value), text);
}

static void check_change(enum amount_unit unit, double value, const char *text)
{
	char got[AMOUNT_MAX];

	cr_assert_str_eq(amount_format_change(got, unit, value), text);
}

Test(amount, each_unit_reads_as_it_is_spoken)
{
	check(AMOUNT_BYTES, 1536, "1.5 KiB");
	check(AMOUNT_MS, 250, "250 ms");
	check(AMOUNT_MS, 0.85, "850 us");
	check(AMOUNT_SHARE, 0.005, "0.5 %");
	check(AMOUNT_RATE, 1234.5, "1234/s");
	check(AMOUNT_RATE, 1.5, "1.50/s");
	check(AMOUNT_COUNT, 1234567, "1,234,567");
	check(AMOUNT_COUNT, 2.5, "2.5");
	check(AMOUNT_COUNT, -3, "-3");
}

Test(amount, a_change_has_its_sign)
{
	check_change(AMOUNT_BYTES, 1024, "+1.0 KiB");
	check_change(AMOUNT_MS, -2, "-2.0 ms");
	check_change(AMOUNT_COUNT, 0, "0");
}

Test(amount, what_is_no_number_is_a_question_mark)
{
	check(AMOUNT_BYTES, NAN, "?");
	check(AMOUNT_COUNT, INFINITY, "?");
}
