/* What threads did during a slow request, from what probes saw of late. */
#include <criterion/criterion.h>
#include <string.h>

#include "profiler/probe/lately.h"

enum { OURS = 40, READER = 41, WRITER = 42, WORKER = 43 };

static struct lately *lately;
static struct wire_slow_part told[LATELY_PARTS];
static size_t told_count, told_requests;

static void begin(void)
{
	lately = lately_new();
	cr_assert_not_null(lately);
}

static void end(void)
{
	lately_free(lately);
}

TestSuite(lately, .init = begin, .fini = end);

static void waited(pid_t pid, pid_t tid, uint64_t from, uint64_t until,
		   uint32_t node)
{
	lately_add(lately, &(struct lately_moment) { .from_ns = from,
						     .until_ns = until,
						     .ns = until - from,
						     .pid = pid,
						     .tid = tid,
						     .node = node,
						     .kind = WEIGHT_OFFCPU,
						     .why = BLOCKED_FUTEX });
}

static void ran(pid_t tid, uint64_t at, uint32_t node)
{
	lately_add(lately, &(struct lately_moment) { .from_ns = at,
						     .until_ns = at,
						     .ns = 10,
						     .pid = OURS,
						     .tid = tid,
						     .node = node,
						     .kind = WEIGHT_CPU });
}

static void take(void *context, const struct lately_request *r,
		 const struct wire_slow_part *parts, size_t count)
{
	(void)context;
	cr_assert_eq(r->route, 5);
	told_requests++;
	told_count = count;
	memcpy(told, parts, count * sizeof(*parts));
}

/* One from 1,000 to 2,000. */
static void settle(void)
{
	lately_ended(lately, &(struct lately_request) { .pid = OURS,
							.reader = READER,
							.writer = WRITER,
							.read_ns = 1000,
							.last_ns = 2000,
							.route = 5 });
	lately_settle(lately, take, NULL);
}

Test(lately, what_lies_within_the_request_counts)
{
	waited(OURS, READER, 500, 1500, 7);
	waited(OURS, READER, 1900, 2900, 7);
	waited(OURS, READER, 100, 900, 7);
	ran(READER, 1600, 8);
	ran(READER, 2100, 8);
	settle();
	cr_assert_eq(told_count, 2);
	cr_expect_eq(told[0].node, 7);
	cr_expect_eq(told[0].ns, 600);
	cr_expect_eq(told[0].count, 2);
	cr_expect_eq(told[0].who, SLOW_READER);
	cr_expect_eq(told[0].why, BLOCKED_FUTEX);
	cr_expect_eq(told[1].node, 8);
	cr_expect_eq(told[1].kind, WEIGHT_CPU);
	cr_expect_eq(told[1].ns, 10);
}

Test(lately, other_processes_do_not_count)
{
	waited(OURS + 1, READER, 1000, 2000, 7);
	settle();
	cr_expect_eq(told_requests, 0);
}

Test(lately, another_thread_counts_for_what_it_began_and_ended_meanwhile)
{
	waited(OURS, WORKER, 900, 1800, 7); /* was idle before */
	waited(OURS, WORKER, 1100, 1800, 9);
	waited(OURS, WORKER, 1700, 2100, 7);
	settle();
	cr_assert_eq(told_count, 1);
	cr_expect_eq(told[0].node, 9);
	cr_expect_eq(told[0].who, SLOW_OTHER);
}

Test(lately, the_thread_that_wrote_it_is_its_own_too)
{
	waited(OURS, WRITER, 900, 1800, 7);
	settle();
	cr_assert_eq(told_count, 1);
	cr_expect_eq(told[0].who, SLOW_WRITER);
	cr_expect_eq(told[0].ns, 800);
}

Test(lately, what_is_too_much_to_tell_is_summed_up)
{
	uint64_t all = 0;

	for (uint32_t node = 1; node <= 200; node++)
		waited(OURS, READER, 1000, 1000 + node, node);
	settle();
	cr_assert_leq(told_count, LATELY_PARTS);
	for (size_t i = 0; i < told_count; i++)
		all += told[i].ns;
	cr_expect_eq(all, 200 * 201 / 2);
	cr_expect_eq(told[0].ns, 200);
	cr_expect_eq(told[told_count - 1].node, 0);
}

Test(lately, of_many_moments_the_latest_are_kept)
{
	for (int i = 0; i < 100000; i++)
		waited(OURS, READER, 1000, 1001, 7);
	settle();
	cr_assert_eq(told_count, 1);
	cr_expect_lt(told[0].count, 100000);
	cr_expect_gt(told[0].count, 10000);
}

Test(lately, requests_that_are_too_many_at_once_are_counted)
{
	const struct lately_request r = { .pid = OURS, .route = 5 };

	for (int i = 0; i < 1000; i++)
		lately_ended(lately, &r);
	cr_expect_gt(lately_lost(lately), 0);
	lately_settle(lately, take, NULL);
	lately_ended(lately, &r);
	cr_expect_lt(lately_lost(lately), 1000);
}
