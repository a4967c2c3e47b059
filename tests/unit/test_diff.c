/* Two runs, or two sets of runs: what changed, and whether that is sure. */
#include "profiler/analysis/diff.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "profiler/base/err.h"

#define MIB 1048576.0

/* A run of a shop: the server is subject 0, an endpoint 1, a site 2. */
struct run {
	struct measure measure;
	struct subject subjects[3];
	struct metric metrics[16];
};

static void run_init(struct run *r, const char *path, double requests)
{
	memset(r, 0, sizeof(*r));
	r->subjects[0].name = "";
	r->subjects[1] = (struct subject) { .key = 11, .name = "GET /item" };
	r->subjects[2] = (struct subject) { .key = 12, .name = "parse" };
	r->measure = (struct measure) {
		.path = (char *)path,
		.program = "shop",
		.allocator = "glibc",
		.requests = requests,
		.seconds = 60,
		.subjects = { r->subjects, 3, 3 },
		.metrics = { r->metrics, 0, 16 },
	};
}

static void put(struct run *r, enum metric_what what, double value, double sd)
{
	enum metric_scope scope = metric_kinds[what].scope;

	r->metrics[r->measure.metrics.count++] = (struct metric) {
		.what = what,
		.subject = (uint32_t)scope,
		.value = value,
		.variance = sd * sd,
	};
}

static struct diff *diff_sets(const struct run *base, size_t nb,
			      const struct run *new, size_t nn)
{
	const struct measure *b[32], *n[32];
	struct err err = ERR_INIT;
	struct diff *d;

	for (size_t i = 0; i < nb; i++)
		b[i] = &base[i].measure;
	for (size_t i = 0; i < nn; i++)
		n[i] = &new[i].measure;
	cr_assert_eq(diff_of(&d, b, nb, n, nn, &err), 0, "%s", err.text);
	return d;
}

static const struct diff_row *row_of(const struct diff *d,
				     enum metric_what what)
{
	for (size_t i = 0; i < d->row_count; i++)
		if (d->rows[i].what == what)
			return &d->rows[i];
	cr_assert_fail("no row");
	return NULL;
}

static struct run base, new;

static void two_runs(double requests, double requests_new)
{
	run_init(&base, "a.strand", requests);
	run_init(&new, "b.strand", requests_new);
}

Test(diff, flows_are_divided_by_requests)
{
	struct diff *d;

	two_runs(1000, 2000);
	put(&base, METRIC_ALLOCATED, 5e6, 0);
	put(&new, METRIC_ALLOCATED, 10e6, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert(d->per_request);
	cr_assert_eq(row_of(d, METRIC_ALLOCATED)->base.value, 5000);
	cr_assert_eq(row_of(d, METRIC_ALLOCATED)->new.value, 5000);
	cr_assert_eq(row_of(d, METRIC_ALLOCATED)->state, DIFF_SAME);
	diff_free(d);
}

Test(diff, without_requests_they_are_divided_by_seconds)
{
	struct diff *d;

	two_runs(0, 2000);
	put(&base, METRIC_ALLOCATED, 6e6, 0);
	put(&new, METRIC_ALLOCATED, 12e6, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_not(d->per_request);
	cr_assert_eq(row_of(d, METRIC_ALLOCATED)->base.value, 1e5);
	cr_assert_eq(row_of(d, METRIC_ALLOCATED)->change.value, 1e5);
	cr_assert_eq(row_of(d, METRIC_ALLOCATED)->state, DIFF_WORSE);
	diff_free(d);
}

Test(diff, a_change_within_the_error_of_the_runs_is_none)
{
	struct diff *d;

	two_runs(1000, 1000);
	put(&base, METRIC_P95, 100, 8);
	put(&new, METRIC_P95, 120, 8);
	put(&base, METRIC_P50, 50, 1);
	put(&new, METRIC_P50, 25, 1);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(row_of(d, METRIC_P95)->state, DIFF_SAME);
	cr_assert_eq(row_of(d, METRIC_P50)->state, DIFF_BETTER);
	/* Of each 1 ms from its requests, and 15 % that runs differ by. */
	cr_assert_float_eq(row_of(d, METRIC_P50)->change.low,
			   -25 - 1.96 * sqrt(1 + 56.25 + 1 + 14.0625), 0.01);
	diff_free(d);
}

Test(diff, a_change_that_matters_to_nobody_is_none)
{
	struct diff *d;

	two_runs(1000, 1000);
	put(&base, METRIC_P50, 0.2, 0);
	put(&new, METRIC_P50, 0.4, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(row_of(d, METRIC_P50)->state, DIFF_SAME);
	diff_free(d);
}

Test(diff, the_tolerance_is_exceeded_only_for_sure)
{
	struct diff *d;

	two_runs(1000, 1000);
	put(&base, METRIC_P95, 100, 2);
	put(&new, METRIC_P95, 150, 2);
	put(&base, METRIC_P50, 100, 1);
	put(&new, METRIC_P50, 190, 1);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_not(diff_exceeds(d, row_of(d, METRIC_P95), 0.2));
	cr_assert(diff_exceeds(d, row_of(d, METRIC_P50), 0.2));
	cr_assert_not(diff_exceeds(d, row_of(d, METRIC_P50), 0.3));
	diff_free(d);
}

Test(diff, what_no_gate_looks_at_fails_none)
{
	struct diff *d;

	two_runs(1000, 1000);
	put(&base, METRIC_RSS_END, 100 * MIB, 0);
	put(&new, METRIC_RSS_END, 300 * MIB, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(row_of(d, METRIC_RSS_END)->state, DIFF_WORSE);
	cr_assert_not(diff_exceeds(d, row_of(d, METRIC_RSS_END), 0.2));
	diff_free(d);
}

Test(diff, levels_of_runs_under_another_load_are_no_match)
{
	struct diff *d;

	two_runs(1000, 5000);
	put(&base, METRIC_RSS_PEAK, 100 * MIB, 0);
	put(&new, METRIC_RSS_PEAK, 300 * MIB, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_not(diff_exceeds(d, row_of(d, METRIC_RSS_PEAK), 0.2));
	cr_assert_str_eq(d->caution,
			 "the new run served 5000 requests and the base 1000, "
			 "so levels such as RSS are not like for like, and "
			 "fail nothing");
	diff_free(d);
}

static void several(struct run *runs, const double *peaks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		run_init(&runs[i], "store/n.strand", 1000);
		runs[i].measure.start_unix_ns = i;
		put(&runs[i], METRIC_RSS_PEAK, peaks[i] * MIB, 0);
	}
}

Test(diff, several_runs_say_how_much_one_varies)
{
	static const double peaks[] = { 100, 140, 90, 120, 110, 130, 95 };
	struct run runs[7];
	struct diff *d;

	several(runs, peaks, 7);
	two_runs(0, 1000);
	put(&new, METRIC_RSS_PEAK, 145 * MIB, 0);
	d = diff_sets(runs, 7, &new, 1);
	cr_assert_eq(row_of(d, METRIC_RSS_PEAK)->base.value, 110 * MIB);
	cr_assert_eq(row_of(d, METRIC_RSS_PEAK)->state, DIFF_SAME);
	cr_assert_eq(d->base.runs, 7);
	diff_free(d);
}

Test(diff, one_odd_run_in_the_base_hides_no_change)
{
	static const double peaks[] = { 100, 101, 900, 99, 100 };
	struct run runs[5];
	struct diff *d;

	several(runs, peaks, 5);
	two_runs(0, 1000);
	put(&new, METRIC_RSS_PEAK, 145 * MIB, 0);
	d = diff_sets(runs, 5, &new, 1);
	cr_assert(diff_exceeds(d, row_of(d, METRIC_RSS_PEAK), 0.2));
	diff_free(d);
}

Test(diff, one_odd_run_among_the_new_ones_makes_no_change)
{
	static const double old[] = { 100, 101, 99 };
	static const double now[] = { 100, 102, 900 };
	struct run before[3], after[3];
	struct diff *d;

	several(before, old, 3);
	several(after, now, 3);
	d = diff_sets(before, 3, after, 3);
	cr_assert_eq(row_of(d, METRIC_RSS_PEAK)->state, DIFF_SAME);
	diff_free(d);
}

/* Sum of 12 uniform numbers, less 6: close to a normal one. */
static double normal(uint64_t *state)
{
	double sum = -6;

	for (int i = 0; i < 12; i++) {
		*state ^= *state << 13;
		*state ^= *state >> 7;
		*state ^= *state << 17;
		sum += (double)(*state >> 11) / 9007199254740992.0;
	}
	return sum;
}

static unsigned alarms_of_equals(size_t runs_before, size_t runs_after)
{
	struct run before[10], after[10];
	uint64_t state = 0x9e3779b97f4a7c15ULL;
	unsigned alarms = 0;

	for (int round = 0; round < 1000; round++) {
		double a[10], b[10];
		struct diff *d;

		for (int i = 0; i < 10; i++) {
			a[i] = 500 + 50 * normal(&state);
			b[i] = 500 + 50 * normal(&state);
		}
		several(before, a, runs_before);
		several(after, b, runs_after);
		d = diff_sets(before, runs_before, after, runs_after);
		alarms += row_of(d, METRIC_RSS_PEAK)->state != DIFF_SAME;
		diff_free(d);
	}
	return alarms;
}

Test(diff, equal_programs_differ_in_one_comparison_of_twenty_at_most)
{
	cr_assert_leq(alarms_of_equals(2, 1), 50);
	cr_assert_leq(alarms_of_equals(3, 1), 50);
	cr_assert_leq(alarms_of_equals(10, 1), 50);
	cr_assert_leq(alarms_of_equals(5, 5), 50);
	cr_assert_leq(alarms_of_equals(10, 10), 50);
	cr_assert_gt(alarms_of_equals(10, 10), 20);
}

Test(diff, a_site_that_is_new_held_nothing_before)
{
	struct diff *d;

	two_runs(1000, 1000);
	put(&new, METRIC_SITE_LIVE, 4 * MIB, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(row_of(d, METRIC_SITE_LIVE)->base.value, 0);
	cr_assert_eq(row_of(d, METRIC_SITE_LIVE)->state, DIFF_WORSE);
	cr_assert_eq(diff_relative(row_of(d, METRIC_SITE_LIVE)), INFINITY);
	diff_free(d);
}

Test(diff, a_sample_that_could_have_missed_a_site_says_so)
{
	struct diff *d;

	two_runs(1000, 1000);
	base.measure.sample_bytes = new.measure.sample_bytes = MIB;
	put(&new, METRIC_SITE_LIVE, 1.5 * MIB, MIB);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(row_of(d, METRIC_SITE_LIVE)->state, DIFF_SAME);
	diff_free(d);
}

Test(diff, an_endpoint_that_only_one_side_has_is_new_or_gone)
{
	struct diff *d;

	two_runs(1000, 1000);
	put(&base, METRIC_P50, 9, 1);
	put(&new, METRIC_ERRORS, 0.5, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(row_of(d, METRIC_P50)->state, DIFF_GONE);
	cr_assert_eq(row_of(d, METRIC_ERRORS)->state, DIFF_NEW);
	cr_assert_not(diff_exceeds(d, row_of(d, METRIC_ERRORS), 0.2));
	diff_free(d);
}

Test(diff, sites_come_last_and_the_largest_change_first)
{
	struct subject more[4];
	struct diff *d;

	two_runs(1000, 1000);
	memcpy(more, new.subjects, sizeof(new.subjects));
	more[3] = (struct subject) { .key = 13, .name = "embed" };
	new.measure.subjects.at = more;
	new.measure.subjects.count = 4;
	put(&new, METRIC_SITE_LIVE, 2 * MIB, 0);
	put(&new, METRIC_SITE_LIVE, 9 * MIB, 0);
	new.metrics[1].subject = 3;
	put(&new, METRIC_RSS_PEAK, 20 * MIB, 0);
	put(&base, METRIC_RSS_PEAK, 20 * MIB, 0);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(d->row_count, 3);
	cr_assert_eq(d->rows[0].what, METRIC_RSS_PEAK);
	cr_assert_str_eq(d->rows[1].subject->name, "embed");
	cr_assert_str_eq(d->rows[2].subject->name, "parse");
	diff_free(d);
}

Test(diff, two_programs_are_not_compared)
{
	const struct measure *b = &base.measure, *n = &new.measure;
	struct err err = ERR_INIT;
	struct diff *d;

	two_runs(1000, 1000);
	new.measure.program = "redis-server";
	cr_assert_eq(diff_of(&d, &b, 1, &n, 1, &err), -EINVAL);
	cr_assert_null(d);
	cr_assert_str_eq(err.text,
			 "a.strand is a recording of 'shop' and b.strand one "
			 "of 'redis-server'; only runs of one program can be "
			 "compared");
}

static void on_jemalloc(double beyond)
{
	two_runs(1000, 1000);
	new.measure.allocator = "jemalloc";
	put(&base, METRIC_BEYOND_LIVE, 300 * MIB, 0);
	put(&new, METRIC_BEYOND_LIVE, beyond, 0);
	put(&base, METRIC_CPU, 2000, 0);
	put(&new, METRIC_CPU, 2050, 0);
	put(&base, METRIC_P95, 20, 0.1);
	put(&new, METRIC_P95, 22, 0.1);
	put(&base, METRIC_THROUGHPUT, 100, 0);
	put(&new, METRIC_THROUGHPUT, 100, 0);
}

Test(diff, of_two_allocators_it_says_which_returns_more_and_its_price)
{
	struct diff *d;

	on_jemalloc(20 * MIB);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_str_eq(d->allocators,
			 "jemalloc returns more memory than glibc: 280.0 MiB "
			 "less is kept beyond the live heap at the end; going "
			 "from glibc to jemalloc costs CPU time +2.5 %, p95 of "
			 "GET /item +2.0 ms");
	diff_free(d);
}

Test(diff, of_two_allocators_that_keep_alike_it_says_so)
{
	struct diff *d;

	on_jemalloc(300.5 * MIB);
	d = diff_sets(&base, 1, &new, 1);
	cr_assert_eq(strncmp(d->allocators,
			     "glibc and jemalloc keep as much memory: the "
			     "difference of 512.0 KiB is within the noise",
			     85),
		     0, "%s", d->allocators);
	diff_free(d);
}
