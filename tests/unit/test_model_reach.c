#include <criterion/criterion.h>

#include "profiler/base/err.h"
#include "profiler/model/model.h"
#include "profiler/trace/writer.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0 (100 * SECOND)

/* Two sites: node 4's of 30 blocks, node 8's of 20; all live. */
static void setup(void)
{
	struct recording r;
	struct lane lane;

	scratch_make();
	recording_begin(&r, scratch_path("7.slabs"), 7);
	recording_module(&r, "/usr/bin/server");
	recording_nodes(&r, 8, 4);
	lane_begin(&lane, &r, 7, T0);
	for (uint64_t i = 0; i < 30; i++)
		lane_alloc(&lane, 4, 100, 0x10000 + i * 128, T0 + i);
	for (uint64_t i = 0; i < 20; i++)
		lane_alloc(&lane, 8, 10, 0x20000 + i * 16, T0 + 100 + i);
	lane_seal(&lane);
	recording_end(&r, T0 + 60 * SECOND);
}

static void teardown(void)
{
	scratch_remove();
}

TestSuite(model_reach, .init = setup, .fini = teardown);

static void put_scan(uint64_t seconds, struct wire_reach scan,
		     const struct wire_reach_site *sites, size_t count)
{
	struct err err = ERR_INIT;
	struct writer *w;

	cr_assert_eq(writer_open(&w, scratch, &err), 0, "%s", err.text);
	scan.pid = 7;
	scan.at_ns = T0 + seconds * SECOND;
	cr_assert_eq(writer_reach(w, &scan, sites, count), 0);
	writer_close(w);
}

static struct model *load(void)
{
	struct err err = ERR_INIT;
	struct model *m;

	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	return m;
}

/* Of the site that holds @live bytes. */
static const struct model_site *site(const struct model *m, double live)
{
	for (uint32_t i = 0; i < m->site_count; i++)
		if (m->sites[i].live.bytes == live)
			return &m->sites[i];
	cr_assert_fail("no site of %g bytes", live);
	return NULL;
}

Test(model_reach, without_a_scan_nothing_is_known)
{
	struct model *m = load();

	cr_assert_eq(m->scan_count, 0);
	cr_assert_lt(site(m, 3000)->unreachable.bytes, 0);
	model_free(m);
}

Test(model_reach, a_scan_that_found_nothing_says_so_of_all_sites)
{
	struct model *m;

	put_scan(10, (struct wire_reach) { .blocks = 50 }, NULL, 0);
	m = load();
	cr_assert_eq(m->scan_count, 1);
	cr_assert_eq(m->scans[0].blocks, 50);
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 0);
	cr_assert_eq(site(m, 200)->unreachable.twice_bytes, 0);
	model_free(m);
}

Test(model_reach, the_last_scan_counts)
{
	const struct wire_reach_site first = { .node = 4,
					       .count = 30,
					       .bytes = 3000 };
	const struct wire_reach_site last = { .node = 8,
					      .count = 20,
					      .bytes = 200,
					      .twice_count = 3,
					      .twice_bytes = 30 };
	struct model *m;

	put_scan(10, (struct wire_reach) { .pause_ns = 2000000 }, &first, 1);
	put_scan(20, (struct wire_reach) { .pause_ns = 1000000 }, &last, 1);
	m = load();
	cr_assert_eq(m->scan_count, 2);
	cr_assert_eq(m->scans[0].pause_ms, 2);
	cr_assert_eq(m->scans[1].twice_count, 3);
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 0);
	cr_assert_eq(site(m, 200)->unreachable.bytes, 200);
	cr_assert_eq(site(m, 200)->unreachable.count, 20);
	cr_assert_eq(site(m, 200)->unreachable.twice_bytes, 30);
	model_free(m);
}

Test(model_reach, one_block_released_after_all_refutes_its_site)
{
	const struct wire_reach_site first[] = {
		{ .node = 4, .count = 29, .bytes = 2900 },
		{ .node = 8, .count = 20, .bytes = 200 },
	};
	const struct wire_reach_site last[] = {
		{ .node = 4,
		  .count = 28,
		  .bytes = 2800,
		  .twice_count = 28,
		  .twice_bytes = 2800,
		  .freed_count = 1,
		  .freed_bytes = 100 },
		{ .node = 8,
		  .count = 20,
		  .bytes = 200,
		  .twice_count = 20,
		  .twice_bytes = 200 },
	};
	struct model *m;

	put_scan(10, (struct wire_reach) { 0 }, first, 2);
	put_scan(20, (struct wire_reach) { 0 }, last, 2);
	m = load();
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 0);
	cr_assert_eq(site(m, 3000)->unreachable.twice_bytes, 0);
	cr_assert_eq(site(m, 200)->unreachable.twice_bytes, 200);
	model_free(m);
}

Test(model_reach, no_more_than_the_lost_events_proves_nothing)
{
	const struct wire_reach_site sites[] = {
		{ .node = 4, .count = 30, .bytes = 3000 },
		{ .node = 8, .count = 20, .bytes = 200 },
	};
	struct model *m;

	put_scan(10, (struct wire_reach) { .lost = 20 }, sites, 2);
	m = load();
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 3000);
	cr_assert_eq(site(m, 200)->unreachable.bytes, 0);
	model_free(m);
}

Test(model_reach, pointers_that_the_kernel_hides_make_nothing_definite)
{
	const struct wire_reach_site found = { .node = 4,
					       .count = 30,
					       .bytes = 3000,
					       .twice_count = 30,
					       .twice_bytes = 3000 };
	struct model *m;

	put_scan(10, (struct wire_reach) { .flags = REACH_HIDDEN }, &found, 1);
	m = load();
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 3000);
	cr_assert_eq(site(m, 3000)->unreachable.twice_bytes, 0);
	model_free(m);
}

Test(model_reach, a_scan_of_many_sites_is_one_scan)
{
	static struct wire_reach_site many[3000];
	struct model *m;

	for (uint32_t i = 0; i < 3000; i++)
		many[i] = (struct wire_reach_site) { .node = i,
						     .count = 1,
						     .bytes = 2 };
	put_scan(10, (struct wire_reach) { 0 }, many, 3000);
	m = load();
	cr_assert_eq(m->scan_count, 1);
	cr_assert_eq(m->scans[0].count, 3000);
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 2);
	model_free(m);
}

Test(model_reach, a_scan_of_an_unknown_process_or_node_changes_no_site)
{
	const struct wire_reach_site stray = { .node = 4000000,
					       .count = 9,
					       .bytes = 90 };
	struct model *m;

	put_scan(10, (struct wire_reach) { .image = 3 }, &stray, 1);
	put_scan(11, (struct wire_reach) { 0 }, &stray, 1);
	m = load();
	cr_assert_eq(m->scan_count, 2);
	cr_assert_eq(site(m, 3000)->unreachable.bytes, 0);
	model_free(m);
}
