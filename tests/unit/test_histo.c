#include "profiler/latency/histo.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"

#define MS     1000000ULL
#define SECOND (1000 * MS)

static struct histo *one_to(uint64_t last)
{
	struct histo *h = histo_new();

	for (uint64_t ns = 1; ns <= last; ns++)
		histo_record(h, ns);
	return h;
}

static bool within(uint64_t a, uint64_t b, uint64_t distance)
{
	return a > b ? a - b <= distance : b - a <= distance;
}

/* A duration from 1 ns to an hour, all magnitudes alike. */
static uint64_t any_duration(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed % HISTO_MAX_NS >> (*seed >> 58) % 42;
}

static struct histo *some(uint64_t seed, int n)
{
	struct histo *h = histo_new();

	while (n--)
		histo_record(h, any_duration(&seed));
	return h;
}

static void written(const struct histo *h, struct buf *out)
{
	buf_clear(out);
	histo_write(h, out);
}

static bool same(const struct histo *a, const struct histo *b)
{
	struct buf left = BUF_INIT, right = BUF_INIT;
	bool equal;

	written(a, &left);
	written(b, &right);
	equal = left.len == right.len &&
		!memcmp(left.bytes, right.bytes, left.len);
	buf_free(&left);
	buf_free(&right);
	return equal;
}

Test(histo, quantiles_keep_three_digits)
{
	struct histo *h = one_to(100000);

	cr_expect(within(histo_quantile(h, 0.50), 50000, 50));
	cr_expect(within(histo_quantile(h, 0.99), 99000, 99));
	cr_expect_eq(histo_quantile(h, 0), 1);
	cr_expect_eq(histo_quantile(h, 1), 100000);
	cr_expect_eq(histo_count(h), 100000);
	histo_free(h);
}

Test(histo, every_value_is_known_within_a_thousandth)
{
	uint64_t seed = 1;

	for (int i = 0; i < 200000; i++) {
		uint64_t ns = any_duration(&seed);
		struct histo_bucket b = histo_bucket_of(ns);

		cr_assert(b.low <= ns && ns <= b.high);
		cr_assert_leq(b.high - b.low, b.low / 1024);
	}
}

Test(histo, buckets_leave_no_gap)
{
	uint64_t at = 0;

	while (at <= HISTO_MAX_NS) {
		struct histo_bucket b = histo_bucket_of(at);

		cr_assert_eq(b.low, at);
		cr_assert_eq(histo_bucket_of(b.high).low, at);
		at = b.high + 1;
	}
}

Test(histo, small_values_are_exact)
{
	struct histo *h = one_to(2047);

	cr_expect_eq(histo_quantile(h, 0.5), 1024);
	cr_expect_eq(histo_at_or_below(h, 1000), 1000);
	histo_free(h);
}

Test(histo, a_share_that_is_a_whole_rank_takes_no_rank_more)
{
	struct histo *h = one_to(100);

	cr_expect_eq(histo_quantile(h, 0.95), 95);
	cr_expect_eq(histo_quantile(h, 0.07), 7);
	cr_expect_eq(histo_quantile(h, 0.951), 96);
	cr_expect_eq(histo_quantile(h, NAN), 1);
	cr_expect_eq(histo_quantile(h, 7), 100);
	histo_free(h);
}

Test(histo, a_value_past_the_range_is_counted_and_not_clamped)
{
	struct histo *h = one_to(10);

	cr_expect(histo_record(h, HISTO_MAX_NS));
	cr_expect_not(histo_record(h, HISTO_MAX_NS + 1));
	cr_expect_not(histo_record_n(h, UINT64_MAX, 2));
	cr_expect_eq(histo_overflow(h), 3);
	cr_expect_eq(histo_count(h), 11);
	cr_expect_eq(histo_max(h), HISTO_MAX_NS);
	cr_expect_eq(histo_quantile(h, 1.0), HISTO_MAX_NS);
	histo_free(h);
}

Test(histo, one_value_is_known_exactly)
{
	struct histo *h = histo_new();

	histo_record_n(h, 123456789, 5);
	cr_expect_eq(histo_quantile(h, 0.5), 123456789);
	cr_expect_eq(histo_min(h), 123456789);
	cr_expect_eq(histo_max(h), 123456789);
	cr_expect_eq(histo_mean(h), 123456789.0);
	histo_free(h);
}

Test(histo, an_empty_one_answers_nothing_but_zeros)
{
	struct histo *h = histo_new();
	struct histo_bucket b;
	uint32_t pos = 0;

	cr_expect_eq(histo_quantile(h, 0.5), 0);
	cr_expect_eq(histo_min(h), 0);
	cr_expect_eq(histo_max(h), 0);
	cr_expect_eq(histo_mean(h), 0);
	cr_expect_eq(histo_at_or_below(h, HISTO_MAX_NS), 0);
	cr_expect_not(histo_next(h, &pos, &b));
	histo_free(h);
}

Test(histo, the_mean_of_hours_does_not_overflow)
{
	struct histo *h = histo_new();

	histo_record_n(h, HISTO_MAX_NS, 1ULL << 40);
	cr_expect_float_eq(histo_mean(h), (double)HISTO_MAX_NS, 1);
	histo_free(h);
}

Test(histo, merging_equals_recording_into_one)
{
	struct histo *whole = some(7, 3000), *part = some(7, 1000);
	uint64_t seed = 7;
	struct histo *rest = histo_new();

	for (int i = 0; i < 3000; i++) {
		uint64_t ns = any_duration(&seed);

		if (i >= 1000)
			histo_record(rest, ns);
	}
	cr_expect_eq(histo_merge(part, rest), 0);
	cr_expect(same(part, whole));
	histo_free(whole);
	histo_free(part);
	histo_free(rest);
}

static const uint64_t wide[] = { 1,	255,	    256,	65535,
				 65536, UINT32_MAX, 1ULL << 32, 1ULL << 40 };

Test(histo, a_bucket_counts_as_far_as_it_is_asked_to)
{
	struct histo *h = histo_new();
	uint64_t all = 0;

	histo_record_n(h, 5000, 3);
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		histo_record_n(h, 7000, wide[i]);
		all += wide[i];
		cr_assert_eq(histo_at_or_below(h, 5000), 3);
		cr_assert_eq(histo_at_or_below(h, 7000), 3 + all);
	}
	histo_free(h);
}

Test(histo, small_counts_that_are_large_together_merge)
{
	struct histo *a = histo_new(), *b = histo_new();

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		histo_clear(a);
		histo_clear(b);
		histo_record_n(a, 7000, wide[i]);
		histo_record_n(b, 7000, wide[i]);
		histo_record_n(b, 5000, 1);
		cr_assert_eq(histo_merge(a, b), 0);
		cr_assert_eq(histo_at_or_below(a, 5000), 1);
		cr_assert_eq(histo_at_or_below(a, 7000), 1 + 2 * wide[i]);
		cr_assert_eq(histo_at_or_below(b, 7000), 1 + wide[i]);
	}
	histo_free(a);
	histo_free(b);
}

Test(histo, merging_an_empty_one_changes_nothing)
{
	struct histo *h = some(3, 100), *empty = histo_new(),
		     *copy = some(3, 100);

	cr_expect_eq(histo_merge(h, empty), 0);
	cr_expect(same(h, copy));
	cr_expect_eq(histo_merge(empty, h), 0);
	cr_expect(same(h, empty));
	histo_free(h);
	histo_free(empty);
	histo_free(copy);
}

Test(histo, quantiles_agree_with_the_sorted_values)
{
	uint64_t seed = 11, values[999];
	struct histo *h = histo_new();

	for (int i = 0; i < 999; i++) {
		values[i] = any_duration(&seed);
		histo_record(h, values[i]);
		for (int j = i; j && values[j - 1] > values[j]; j--) {
			uint64_t swap = values[j];

			values[j] = values[j - 1];
			values[j - 1] = swap;
		}
	}
	for (int rank = 1; rank <= 999; rank++) {
		uint64_t got = histo_quantile(h, rank / 999.0);
		uint64_t want = values[rank - 1];

		cr_assert(within(got, want, want / 1000),
			  "rank %d: %lu, not %lu", rank, got, want);
	}
	histo_free(h);
}

Test(histo, cumulative_counts_never_fall_and_end_at_all)
{
	struct histo *h = some(5, 5000);
	uint64_t last = 0;

	for (uint64_t ns = 1; ns < HISTO_MAX_NS; ns *= 2) {
		uint64_t n = histo_at_or_below(h, ns);

		cr_assert_geq(n, last);
		last = n;
	}
	cr_expect_eq(histo_at_or_below(h, HISTO_MAX_NS), histo_count(h));
	histo_free(h);
}

Test(histo, clearing_leaves_an_empty_one)
{
	struct histo *h = some(5, 100), *empty = histo_new();

	histo_record(h, UINT64_MAX);
	histo_clear(h);
	cr_expect(same(h, empty));
	histo_record(h, 42);
	cr_expect_eq(histo_quantile(h, 0.5), 42);
	histo_free(h);
	histo_free(empty);
}

Test(histo, bytes_give_back_what_was_written)
{
	struct histo *h = some(9, 2000), *back = histo_new();
	struct buf bytes = BUF_INIT;

	histo_record(h, UINT64_MAX);
	written(h, &bytes);
	cr_expect_eq(histo_add_bytes(back, bytes.bytes, bytes.len, NULL), 0);
	cr_expect(same(h, back));
	cr_expect_eq(histo_mean(h), histo_mean(back));
	histo_free(h);
	histo_free(back);
	buf_free(&bytes);
}

Test(histo, a_prefix_of_bytes_is_refused_and_adds_nothing)
{
	struct histo *h = some(9, 50), *into = some(2, 10),
		     *before = some(2, 10);
	struct buf bytes = BUF_INIT;

	written(h, &bytes);
	for (size_t n = 0; n < bytes.len; n++)
		cr_assert_eq(histo_add_bytes(into, bytes.bytes, n, NULL),
			     -EBADMSG);
	cr_expect(same(into, before));
	histo_free(h);
	histo_free(into);
	histo_free(before);
	buf_free(&bytes);
}

Test(histo, odd_bytes_are_refused_with_a_sentence)
{
	struct histo *h = histo_new();
	struct err err = ERR_INIT;

	cr_expect_eq(histo_add_bytes(h, "X1\0\0\0", 5, &err), -EBADMSG);
	cr_expect_str_eq(err.text, "not a histogram: 5 bytes, odd at 0");
	/* one bucket, of 7, whose extremes say 8 */
	cr_expect_eq(histo_add_bytes(h, "H1\0\0\1\x8\x8\x8\0\x8\1", 11, &err),
		     -EBADMSG);
	/* a bucket beyond an hour */
	cr_expect_eq(histo_add_bytes(h, "H1\0\0\1\1\1\1\0\x80\x84\2\1", 13,
				     &err),
		     -EBADMSG);
	cr_expect_eq(histo_count(h), 0);
	histo_free(h);
}

Test(histo, what_a_waiting_client_missed_is_added)
{
	struct histo *from = histo_new(), *h = histo_new();

	histo_record_n(from, MS, 99);
	histo_record(from, SECOND); /* 100 ms apart: 900, 800 ... 100 missed */
	cr_expect_eq(histo_add_corrected(h, from, 100 * MS), 0);
	cr_expect_eq(histo_count(h), 109);
	cr_expect_eq(histo_at_or_below(h, 550 * MS), 104);
	cr_expect(within(histo_quantile(h, 1 - 2.0 / 109), 800 * MS, MS));
	histo_free(from);
	histo_free(h);
}

Test(histo, no_interval_corrects_nothing)
{
	struct histo *from = some(4, 1000), *h = histo_new();

	cr_expect_eq(histo_add_corrected(h, from, 0), 0);
	cr_expect(same(h, from));
	histo_free(from);
	histo_free(h);
}

Test(histo, a_tiny_interval_is_corrected_at_once)
{
	struct histo *from = histo_new(), *h = histo_new();

	histo_record(from, HISTO_MAX_NS);
	cr_expect_eq(histo_add_corrected(h, from, 1), 0);
	cr_expect(within(histo_count(h), HISTO_MAX_NS, HISTO_MAX_NS / 1000));
	cr_expect(within(histo_quantile(h, 0.5), HISTO_MAX_NS / 2,
			 HISTO_MAX_NS / 1000));
	histo_free(from);
	histo_free(h);
}

Test(histo, percentiles_read_as_those_of_hdrhistogram)
{
	struct histo *h = histo_new();
	struct buf out = BUF_INIT;

	histo_record_n(h, MS, 3);
	histo_record(h, 4 * MS);
	histo_percentiles(h, 1, &out);
	cr_expect_str_eq(
		out.bytes,
		"       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
		"       1.000 0.000000000000          3           1.00\n"
		"       1.000 0.500000000000          3           2.00\n"
		"       1.000 0.750000000000          3           4.00\n"
		"       4.000 1.000000000000          4\n"
		"#[Mean    =        1.750, StdDeviation   =        1.299]\n"
		"#[Max     =        4.000, Total count    =            4]\n"
		"#[Buckets =           32, SubBuckets     =         2048]\n");
	buf_free(&out);
	histo_free(h);
}
