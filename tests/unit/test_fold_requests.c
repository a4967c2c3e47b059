#include "profiler/latency/histo.h"
#include "tests/unit/fold_rig.h"

#define MS 1000000.0F

static void request(struct rig *r, int lane, uint32_t route, uint16_t status,
		    unsigned flags, uint64_t at)
{
	rig_event(r, lane,
		  (struct fold_event) {
			  .type = RECORD_REQUEST,
			  .api = (uint8_t)flags,
			  .node = route,
			  .status = status,
			  .times = { 20 * MS, 5 * MS, 1 * MS, 7 * MS },
			  .ticks = at,
		  });
}

static void context(struct rig *r, int lane, uint32_t route, uint64_t at)
{
	rig_event(r, lane,
		  (struct fold_event) {
			  .type = RECORD_CONTEXT, .node = route, .ticks = at });
}

static const struct fold_route *route_of(const struct fold_result *r,
					 uint32_t id)
{
	for (size_t i = 0; i < r->route_count; i++)
		if (r->routes[i].route == id)
			return &r->routes[i];
	return NULL;
}

static const struct fold_stack *stack_of(const struct fold_result *r,
					 uint32_t node, uint32_t route)
{
	for (size_t i = 0; i < r->stack_count; i++)
		if (r->stacks[i].node == node && r->stacks[i].route == route)
			return &r->stacks[i];
	return NULL;
}

Test(fold_requests, are_counted_by_route_and_class)
{
	struct rig r = rig_new();
	const struct fold_route *one, *two;

	request(&r, 0, 1, 200, REQUEST_ALONE, 10);
	request(&r, 1, 1, 404, 0, 20);
	request(&r, 0, 2, 503, 0, 30);
	request(&r, 0, 2, 200, REQUEST_CUT, 40);
	request(&r, 0, 2, 0, REQUEST_CUT, 50);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	one = route_of(fold_result(r.fold), 1);
	two = route_of(fold_result(r.fold), 2);
	cr_assert_eq(one->count, 2);
	cr_assert_eq(one->errors, 0);
	cr_assert_eq(one->alone, 1);
	cr_assert_eq(one->status[2], 1);
	cr_assert_eq(one->status[4], 1);
	cr_assert_eq(two->count, 3);
	cr_assert_eq(two->errors, 3);
	cr_assert_eq(two->cut, 2);
	cr_assert_eq(two->status[0], 1);
	fold_free(r.fold);
}

Test(fold_requests, that_were_cut_off_do_not_count_as_fast_ones)
{
	struct rig r = rig_new();
	const struct fold_route *one;

	request(&r, 0, 1, 200, 0, 10);
	request(&r, 0, 1, 200, REQUEST_CUT, 20);
	request(&r, 0, 1, 0, REQUEST_CUT, 30);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	one = route_of(fold_result(r.fold), 1);
	cr_assert_eq(histo_count(one->took), 1);
	cr_assert_eq(histo_count(one->ttfb), 2);
	cr_assert_float_eq((double)histo_quantile(one->took, 0.5), 20e6, 2e4);
	cr_assert_float_eq((double)histo_quantile(one->ttfb, 0.5), 5e6, 5e3);
	fold_free(r.fold);
}

Test(fold_requests, have_gaps_only_where_the_answer_is_streamed)
{
	struct rig r = rig_new();

	request(&r, 0, 1, 200, 0, 10);
	request(&r, 0, 2, 200, REQUEST_STREAMED, 20);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	cr_assert_null(route_of(fold_result(r.fold), 1)->gap);
	cr_assert_eq(histo_count(route_of(fold_result(r.fold), 2)->gap), 1);
	fold_free(r.fold);
}

Test(fold_requests, fall_into_the_window_of_their_end)
{
	struct rig r = rig_new();
	const struct fold_result *result;

	request(&r, 0, 1, 200, 0, SECOND / 2);
	request(&r, 0, 1, 500, 0, 2 * SECOND);
	request(&r, 0, 2, 200, 0, 2 * SECOND + 1);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	result = fold_result(r.fold);
	cr_assert_eq(result->window_count, 3);
	cr_assert_eq(result->windows[0].requests, 1);
	cr_assert_eq(result->windows[1].requests, 0);
	cr_assert_eq(result->windows[2].requests, 2);
	cr_assert_eq(result->windows[2].errors, 1);
	cr_assert_eq(route_of(result, 1)->windows[2], 1);
	cr_assert_eq(route_of(result, 2)->windows[2], 1);
	fold_free(r.fold);
}

Test(fold_requests, stay_counted_when_windows_are_merged)
{
	struct rig r = rig_new();
	const struct fold_result *result;
	uint64_t sum = 0, of_route = 0, timed = 0;

	for (uint64_t s = 0; s < 2 * FOLD_WINDOWS; s++)
		request(&r, 0, 1, 200, 0, s * SECOND);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	result = fold_result(r.fold);
	for (size_t w = 0; w < result->window_count; w++) {
		sum += result->windows[w].requests;
		of_route += route_of(result, 1)->windows[w];
		timed += route_of(result, 1)->timed[w].count;
	}
	cr_assert_leq(result->window_count, FOLD_WINDOWS);
	cr_assert_eq(sum, 2 * FOLD_WINDOWS);
	cr_assert_eq(of_route, 2 * FOLD_WINDOWS);
	cr_assert_eq(timed, 2 * FOLD_WINDOWS);
	cr_assert_eq(route_of(result, 1)->timed[0].most_ns, 20000000);
	cr_assert_eq(route_of(result, 1)->timed[0].sum_ns,
		     20000000 * route_of(result, 1)->timed[0].count);
	fold_free(r.fold);
}

Test(fold_requests, are_charged_with_what_their_thread_allocates)
{
	struct rig r = rig_new();
	const struct fold_result *result;

	rig_alloc(&r, 0, 7, 100, 0x1000, 1);
	context(&r, 0, 1, 2);
	rig_alloc(&r, 0, 7, 200, 0x2000, 3);
	rig_alloc(&r, 1, 7, 400, 0x3000, 4); /* another thread */
	context(&r, 0, 2, 5);
	rig_alloc(&r, 0, 7, 800, 0x4000, 6);
	context(&r, 0, 0, 7);
	rig_alloc(&r, 0, 7, 1600, 0x5000, 8);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	result = fold_result(r.fold);
	cr_assert_eq(result->stack_count, 3);
	cr_assert_eq(stack_of(result, 7, 0)->allocated.bytes, 2100);
	cr_assert_eq(stack_of(result, 7, 1)->allocated.bytes, 200);
	cr_assert_eq(stack_of(result, 7, 2)->allocated.bytes, 800);
	fold_free(r.fold);
}

Test(fold_requests, are_relieved_of_what_any_thread_frees_later)
{
	struct rig r = rig_new();
	const struct fold_result *result;

	context(&r, 0, 1, 1);
	rig_alloc(&r, 0, 7, 200, 0x2000, 2);
	rig_alloc(&r, 0, 7, 300, 0x3000, 3);
	context(&r, 0, 2, 4);
	rig_addr(&r, 1, RECORD_FREE, 0x2000, 5);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	result = fold_result(r.fold);
	cr_assert_eq(stack_of(result, 7, 1)->live.bytes, 300);
	cr_assert_eq(result->live.bytes, 300);
	fold_free(r.fold);
}

static void freed(struct rig *r, int lane, uint64_t addr, uint64_t at)
{
	rig_addr(r, lane, RECORD_FREE, addr, at);
}

Test(fold_requests, know_the_most_that_each_held_at_a_time)
{
	struct rig r = rig_new();
	const struct fold_route *one;

	context(&r, 0, 1, 1);
	rig_alloc(&r, 0, 7, 100, 0x1000, 2);
	rig_alloc(&r, 0, 7, 200, 0x2000, 3);
	freed(&r, 0, 0x1000, 4);
	rig_alloc(&r, 0, 7, 50, 0x3000, 5);
	request(&r, 0, 1, 200, REQUEST_ALONE, 6);
	freed(&r, 0, 0x2000, 7); /* what was left of it */
	freed(&r, 0, 0x3000, 8);
	rig_alloc(&r, 0, 7, 80, 0x4000, 9);
	request(&r, 0, 1, 200, REQUEST_ALONE, 10);
	request(&r, 0, 1, 200, 0, 11); /* who knows */
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	one = route_of(fold_result(r.fold), 1);
	cr_assert_eq(one->peak_count, 2);
	cr_assert_eq(one->peak_sum, 300 + 80);
	cr_assert_eq(one->peak_most, 300);
	fold_free(r.fold);
}

Test(fold_requests, leave_their_thread_when_it_ends)
{
	struct rig r = rig_new();

	context(&r, 0, 1, 1);
	rig_event(&r, 0,
		  (struct fold_event) { .type = RECORD_EXIT, .ticks = 2 });
	rig_event(&r, 0,
		  (struct fold_event) {
			  .type = RECORD_THREAD, .node = 1, .ticks = 3 });
	rig_alloc(&r, 0, 7, 200, 0x2000, 4);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	cr_assert_not_null(stack_of(fold_result(r.fold), 7, 0));
	cr_assert_null(stack_of(fold_result(r.fold), 7, 1));
	fold_free(r.fold);
}

Test(fold_requests, of_an_impossible_route_are_of_an_unknown_one)
{
	struct rig r = rig_new();

	request(&r, 0, 0x7fffffff, 200, 0, 1);
	context(&r, 0, 0x7fffffff, 2);
	rig_alloc(&r, 0, 7, 200, 0x2000, 3);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	cr_assert_eq(route_of(fold_result(r.fold), 0)->count, 1);
	cr_assert_not_null(stack_of(fold_result(r.fold), 7, 0));
	fold_free(r.fold);
}

Test(fold_requests, the_slowest_of_each_route_are_kept_slowest_first)
{
	struct rig r = rig_new();
	const struct fold_route *one;

	for (int i = 0; i < 10; i++)
		rig_event(&r, 0,
			  (struct fold_event) {
				  .type = RECORD_REQUEST,
				  .node = 1,
				  .status = 200,
				  .times = { (float)(i * 7 % 10 + 1) * MS, MS,
					     MS / 2, 0 },
				  .ticks = (uint64_t)(100 + i) * 1000000,
			  });
	request(&r, 0, 1, 200, REQUEST_CUT, 2000000000);
	cr_assert_eq(fold_finish(r.fold, &r.header), 0);
	one = route_of(fold_result(r.fold), 1);
	for (unsigned k = 0; k < FOLD_SLOWEST; k++)
		cr_expect_eq(one->slowest[k].took, (10 - k) * 1000000);
	cr_expect_eq(one->slowest[0].queue, 500000);
	cr_expect_eq(one->slowest[0].status, 200);
	fold_free(r.fold);
}
