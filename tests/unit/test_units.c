#include "profiler/base/units.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>

#include "profiler/base/err.h"

static uint64_t bytes_of(const char *text)
{
	struct err err = ERR_INIT;
	uint64_t bytes = 0;

	cr_assert_eq(units_parse_bytes(text, &bytes, &err), 0, "%s", err.text);
	return bytes;
}

static uint64_t ns_of(const char *text)
{
	struct err err = ERR_INIT;
	uint64_t ns = 0;

	cr_assert_eq(units_parse_duration(text, &ns, &err), 0, "%s", err.text);
	return ns;
}

static void check_no_bytes(const char *text)
{
	uint64_t bytes = 12345;

	cr_assert_eq(units_parse_bytes(text, &bytes, NULL), -EINVAL, "%s",
		     text);
	cr_assert_eq(bytes, 12345);
}

static void check_no_duration(const char *text)
{
	uint64_t ns = 12345;

	cr_assert_eq(units_parse_duration(text, &ns, NULL), -EINVAL, "%s",
		     text);
	cr_assert_eq(ns, 12345);
}

static void check_bytes(double bytes, const char *expected)
{
	char out[UNITS_TEXT_MAX];

	cr_assert_str_eq(units_format_bytes(out, bytes), expected);
}

static void check_duration(double ns, const char *expected)
{
	char out[UNITS_TEXT_MAX];

	cr_assert_str_eq(units_format_duration(out, ns), expected);
}

static void check_count(uint64_t n, const char *expected)
{
	char out[UNITS_TEXT_MAX];

	cr_assert_str_eq(units_format_count(out, n), expected);
}

Test(units, sizes_are_binary_unless_they_say_otherwise)
{
	cr_assert_eq(bytes_of("4096"), 4096);
	cr_assert_eq(bytes_of("64KiB"), 65536);
	cr_assert_eq(bytes_of("64k"), 65536);
	cr_assert_eq(bytes_of("1.5 MiB"), 1572864);
	cr_assert_eq(bytes_of("10MB"), 10000000);
	cr_assert_eq(bytes_of(" 2G "), 2147483648);
	cr_assert_eq(bytes_of("1TiB"), 1099511627776);
	cr_assert_eq(bytes_of("0"), 0);
	cr_assert_eq(bytes_of("18446744073709551615"), UINT64_MAX);
}

Test(units, what_is_not_a_size_is_refused)
{
	check_no_bytes("");
	check_no_bytes("KiB");
	check_no_bytes("-1");
	check_no_bytes("1e3");
	check_no_bytes("0x10");
	check_no_bytes("nan");
	check_no_bytes("12 apples");
	check_no_bytes("1MiB2");
	check_no_bytes(".");
}

Test(units, a_size_past_64_bits_is_refused)
{
	check_no_bytes("18446744073709551616");
	check_no_bytes("18446744073709551615K");
	check_no_bytes("16777216TiB");
}

Test(units, the_refusal_quotes_the_text)
{
	struct err err = ERR_INIT;
	uint64_t bytes;

	units_parse_bytes("lots", &bytes, &err);
	cr_assert_str_eq(err.text, "'lots' is not a size; write for example "
				   "4096, 64KiB or 1.5GiB");
}

Test(units, durations_without_a_unit_are_seconds)
{
	cr_assert_eq(ns_of("30"), 30000000000);
	cr_assert_eq(ns_of("1.5"), 1500000000);
	cr_assert_eq(ns_of("250ms"), 250000000);
	cr_assert_eq(ns_of("1.5s"), 1500000000);
	cr_assert_eq(ns_of("5m"), 300000000000);
	cr_assert_eq(ns_of("1h"), 3600000000000);
}

Test(units, durations_may_have_parts)
{
	cr_assert_eq(ns_of("4m10s"), 250000000000);
	cr_assert_eq(ns_of("2h 05m"), 7500000000000);
}

Test(units, what_is_not_a_duration_is_refused)
{
	check_no_duration("");
	check_no_duration("s");
	check_no_duration("-5s");
	check_no_duration("1h30"); /* minutes or seconds? */
	check_no_duration("1 2");
	check_no_duration("1.2.3");
	check_no_duration("600000h 9999999h");
}

Test(units, bytes_print_with_one_decimal)
{
	check_bytes(0, "0 B");
	check_bytes(812, "812 B");
	check_bytes(1024, "1.0 KiB");
	check_bytes(67318579, "64.2 MiB");
	check_bytes(3.5 * 1024 * 1024 * 1024, "3.5 GiB");
	check_bytes(-1536, "-1.5 KiB");
}

Test(units, bytes_never_print_as_1024_of_a_unit)
{
	check_bytes(1023.4, "1023 B");
	check_bytes(1023.7, "1.0 KiB");
	check_bytes(1024 * 1023.96, "1.0 MiB");
}

Test(units, odd_numbers_print_something_short)
{
	check_bytes(NAN, "?");
	check_bytes(INFINITY, "?");
	check_bytes(-0.2, "0 B");
	check_bytes(1e300, "8.67e+281 EiB");
	check_duration(NAN, "?");
}

Test(units, durations_print_by_their_size)
{
	check_duration(0, "0 ns");
	check_duration(850, "850 ns");
	check_duration(1234, "1.2 us");
	check_duration(38e6, "38 ms");
	check_duration(12.3e9, "12.3 s");
	check_duration(250e9, "4m10s");
	check_duration(7500e9, "2h05m");
	check_duration(273600e9, "3d04h");
	check_duration(-1.5e9, "-1.5 s");
}

Test(units, durations_round_into_the_next_unit)
{
	check_duration(999.7, "1.0 us");
	check_duration(999.96e6, "1.0 s");
	check_duration(59.99e9, "1m00s");
	check_duration(3599.8e9, "1h00m");
}

Test(units, counts_are_grouped_by_thousands)
{
	check_count(0, "0");
	check_count(999, "999");
	check_count(1000, "1,000");
	check_count(1234567, "1,234,567");
	check_count(UINT64_MAX, "18,446,744,073,709,551,615");
}

Test(units, a_share_is_a_number_of_percent)
{
	double share;

	cr_assert_eq(units_parse_share("20%", &share, NULL), 0);
	cr_assert_float_eq(share, 0.2, 1e-12);
	cr_assert_eq(units_parse_share(" 0.5 % ", &share, NULL), 0);
	cr_assert_float_eq(share, 0.005, 1e-12);
	cr_assert_eq(units_parse_share("0.2", &share, NULL), -EINVAL);
	cr_assert_eq(units_parse_share("-1%", &share, NULL), -EINVAL);
	cr_assert_eq(units_parse_share("1%2", &share, NULL), -EINVAL);
	cr_assert_eq(units_parse_share("%", &share, NULL), -EINVAL);
	cr_assert_float_eq(share, 0.005, 1e-12);
}

Test(units, a_rate_is_a_number_per_time)
{
	double rate;

	cr_assert_eq(units_parse_rate("100/s", &rate, NULL), 0);
	cr_assert_float_eq(rate, 100, 1e-9);
	cr_assert_eq(units_parse_rate("90 / min", &rate, NULL), 0);
	cr_assert_float_eq(rate, 1.5, 1e-9);
	cr_assert_eq(units_parse_rate("100", &rate, NULL), -EINVAL);
	cr_assert_eq(units_parse_rate("100/", &rate, NULL), -EINVAL);
	cr_assert_eq(units_parse_rate("100/parsec", &rate, NULL), -EINVAL);
	cr_assert_eq(units_parse_rate("/s", &rate, NULL), -EINVAL);
	cr_assert_float_eq(rate, 1.5, 1e-9);
}
