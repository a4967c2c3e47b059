#include "profiler/model/kept.h"

#include <math.h>

#include "tests/unit/fold_rig.h"

#define TENTH	(SECOND / 10)
#define WINDOWS 40

static void request(struct rig *r, uint32_t route, uint64_t at)
{
	rig_event(r, 0,
		  (struct fold_event) { .type = RECORD_REQUEST,
					.node = route,
					.status = 200,
					.ticks = at });
}

static void context(struct rig *r, uint32_t route, uint64_t at)
{
	rig_event(r, 0,
		  (struct fold_event) {
			  .type = RECORD_CONTEXT, .node = route, .ticks = at });
}

/* Ten requests a second, of which each allocates @kept + @dropped bytes. */
static void serve(struct rig *r, uint64_t kept, uint64_t dropped)
{
	for (uint64_t i = 0; i < 10 * WINDOWS; i++) {
		uint64_t at = i * TENTH, addr = 0x100000 + i * 0x1000;

		context(r, 1, at);
		if (kept)
			rig_alloc(r, 0, 7, kept, addr, at + 1);
		rig_alloc(r, 0, 8, dropped, addr + 0x800, at + 2);
		rig_addr(r, 0, RECORD_FREE, addr + 0x800, at + 3);
		request(r, 1, at + 4);
	}
}

static double measured(struct rig *r)
{
	struct kept k[4];

	cr_assert_eq(fold_finish(r->fold, &r->header), 0);
	cr_assert_eq(fold_result(r->fold)->route_count, 1);
	cr_assert_eq(kept_measure(fold_result(r->fold), k), 0);
	return k[0].bytes_per_request;
}

Test(kept, is_what_each_request_leaves)
{
	struct rig r = rig_new();
	double kept;

	serve(&r, 100, 5000);
	kept = measured(&r);
	cr_expect_float_eq(kept, 100, 0.01);
	fold_free(r.fold);
}

Test(kept, is_nothing_where_all_is_freed)
{
	struct rig r = rig_new();
	double kept;

	serve(&r, 0, 5000);
	kept = measured(&r);
	cr_expect_eq(kept, 0);
	fold_free(r.fold);
}

Test(kept, does_not_count_what_only_the_first_ones_left)
{
	struct rig r = rig_new();
	double kept;

	context(&r, 1, 0);
	rig_alloc(&r, 0, 9, 1 << 20, 0x10, 0);
	serve(&r, 0, 5000);
	kept = measured(&r);
	cr_expect_eq(kept, 0);
	fold_free(r.fold);
}

Test(kept, is_seen_although_all_is_freed_at_the_end)
{
	struct rig r = rig_new();
	double kept;

	serve(&r, 100, 5000);
	for (uint64_t i = 0; i < 10 * WINDOWS; i++)
		rig_addr(&r, 0, RECORD_FREE, 0x100000 + i * 0x1000,
			 WINDOWS * SECOND + i);
	kept = measured(&r);
	cr_expect_float_eq(kept, 100, 0.01);
	fold_free(r.fold);
}

Test(kept, of_a_short_recording_is_what_was_alive_after_the_last_one)
{
	struct rig r = rig_new();
	double kept;

	context(&r, 1, 1);
	rig_alloc(&r, 0, 7, 300, 0x1000, 2);
	request(&r, 1, 3);
	request(&r, 1, 4);
	rig_addr(&r, 0, RECORD_FREE, 0x1000, 9 * SECOND);
	kept = measured(&r);
	cr_expect_eq(kept, 150);
	fold_free(r.fold);
}

/* All within one window, at the end of which the server frees everything. */
static double measured_brief(struct rig *r, uint64_t requests, uint64_t kept)
{
	for (uint64_t i = 0; i < requests; i++) {
		uint64_t at = i * 1000, addr = 0x100000 + i * 0x1000;

		context(r, 1, at);
		rig_alloc(r, 0, 7, kept, addr, at + 1);
		rig_alloc(r, 0, 8, 9000, addr + 0x800, at + 2);
		request(r, 1, at + 3);
		rig_addr(r, 0, RECORD_FREE, addr + 0x800, at + 4);
	}
	for (uint64_t i = 0; i < requests; i++)
		rig_addr(r, 0, RECORD_FREE, 0x100000 + i * 0x1000,
			 requests * 1000 + i);
	return measured(r);
}

Test(kept, of_a_load_within_one_window_outlives_the_server_s_end)
{
	struct rig r = rig_new();
	double kept = measured_brief(&r, 300, 5000);

	cr_expect_float_eq(kept, 5000, 0.01);
	fold_free(r.fold);
}

Test(kept, of_more_requests_than_points_are_kept_is_the_same)
{
	struct rig r = rig_new();
	double kept = measured_brief(&r, 5000, 700);

	cr_expect_float_eq(kept, 700, 0.01);
	fold_free(r.fold);
}

Test(kept, of_a_load_within_one_window_leaves_out_what_came_once)
{
	struct rig r = rig_new();
	double kept;

	for (uint64_t i = 0; i < 200; i++) {
		context(&r, 1, i * 1000);
		if (i == 100)
			rig_alloc(&r, 0, 9, 1 << 20, 0x10, i * 1000);
		rig_alloc(&r, 0, 7, 64, 0x100000 + i * 0x1000, i * 1000 + 1);
		request(&r, 1, i * 1000 + 2);
	}
	kept = measured(&r);
	cr_expect(kept >= 64 && kept < 90, "%f", kept);
	fold_free(r.fold);
}

Test(kept, of_a_short_sampled_load_is_right_on_average)
{
	double sum = 0;
	uint64_t seed = 7;

	/* Of blocks of 5,000 one in about 30 is on record. */
	for (int run = 0; run < 40; run++) {
		struct rig r = rig_new();

		rig_mean(&r, 0, 150000);
		for (uint64_t i = 0; i < 400; i++) {
			context(&r, 1, i * 1000);
			if ((double)rig_random(&seed) / 0x1p64 <
			    -expm1(-5512.0 / 150000))
				rig_alloc(&r, 0, 7, 5000, 0x100000 + i * 0x1000,
					  i * 1000 + 1);
			request(&r, 1, i * 1000 + 2);
		}
		sum += measured(&r) / 40;
		fold_free(r.fold);
	}
	cr_expect(sum > 4500 && sum < 5500, "%f", sum);
}
