#include "profiler/latency/histo.h"
#include "tests/unit/fold_rig.h"

static void step(struct rig *r, int lane, enum span_step what, uint64_t number,
		 uint32_t name, uint64_t at)
{
	rig_event(r, lane,
		  (struct fold_event) { .type = RECORD_SPAN,
					.api = (uint8_t)what,
					.addr = number,
					.node = name,
					.ticks = at });
}

static const struct fold_span *span_of(struct rig *r, uint32_t name)
{
	const struct fold_result *result = fold_result(r->fold);

	for (size_t i = 0; i < result->span_count; i++)
		if (result->spans[i].name == name)
			return &result->spans[i];
	return NULL;
}

static void finish(struct rig *r)
{
	cr_assert_eq(fold_finish(r->fold, &r->header), 0);
}

Test(spans, take_from_their_beginning_to_their_end)
{
	struct rig r = rig_new();

	step(&r, 0, SPAN_BEGIN, 1, 300, 1000);
	step(&r, 0, SPAN_END, 1, 0, 6000);
	finish(&r);
	cr_assert_not_null(span_of(&r, 300));
	cr_expect_eq(span_of(&r, 300)->count, 1);
	cr_expect_eq(histo_max(span_of(&r, 300)->took), 5000);
	cr_expect_eq(span_of(&r, 300)->busy_ns, 5000);
	fold_free(r.fold);
}

Test(spans, count_what_is_nested_in_them)
{
	struct rig r = rig_new();

	step(&r, 0, SPAN_BEGIN, 1, 300, 1000);
	rig_alloc(&r, 0, 1, 100, 0x1000, 1100);
	step(&r, 0, SPAN_BEGIN, 2, 301, 2000);
	rig_alloc(&r, 0, 1, 50, 0x2000, 2100);
	step(&r, 0, SPAN_END, 2, 0, 3000);
	rig_alloc(&r, 0, 1, 7, 0x3000, 3100);
	step(&r, 0, SPAN_END, 1, 0, 4000);
	rig_alloc(&r, 0, 1, 999, 0x4000, 4100);
	finish(&r);
	cr_expect_eq(span_of(&r, 301)->allocated.bytes, 50);
	cr_expect_eq(span_of(&r, 300)->allocated.bytes, 157);
	cr_expect_eq(span_of(&r, 300)->allocated.count, 3);
	cr_expect_eq(span_of(&r, 300)->busy_ns, 3000);
	fold_free(r.fold);
}

Test(spans, go_on_where_a_thread_turns_to_them)
{
	struct rig r = rig_new();

	step(&r, 0, SPAN_BEGIN, 1, 300, 1000);
	step(&r, 0, SPAN_TURN, 0, 0, 2000);
	rig_alloc(&r, 0, 1, 100, 0x1000, 2100);
	step(&r, 1, SPAN_TURN, 1, 0, 5000);
	rig_alloc(&r, 1, 1, 30, 0x2000, 5100);
	step(&r, 1, SPAN_TURN, 0, 0, 5500);
	step(&r, 0, SPAN_END, 1, 0, 9000);
	finish(&r);
	cr_expect_eq(span_of(&r, 300)->allocated.bytes, 30);
	cr_expect_eq(span_of(&r, 300)->busy_ns, 1500);
	cr_expect_eq(histo_max(span_of(&r, 300)->took), 8000);
	fold_free(r.fold);
}

Test(spans, whose_parent_has_ended_leave_their_thread_at_none)
{
	struct rig r = rig_new();

	step(&r, 0, SPAN_BEGIN, 1, 300, 1000);
	step(&r, 0, SPAN_BEGIN, 2, 301, 2000);
	step(&r, 1, SPAN_END, 1, 0, 3000);
	step(&r, 0, SPAN_END, 2, 0, 4000);
	rig_alloc(&r, 0, 1, 100, 0x1000, 5000);
	finish(&r);
	cr_expect_eq(span_of(&r, 300)->allocated.bytes, 0);
	cr_expect_eq(span_of(&r, 301)->count, 1);
	fold_free(r.fold);
}

Test(spans, that_end_with_their_thread_leave_nobody_at_them)
{
	struct rig r = rig_new();

	step(&r, 0, SPAN_BEGIN, 1, 300, 1000);
	rig_event(&r, 0,
		  (struct fold_event) { .type = RECORD_EXIT, .ticks = 2000 });
	step(&r, 1, SPAN_END, 1, 0, 9000);
	finish(&r);
	cr_expect_eq(span_of(&r, 300)->busy_ns, 1000);
	fold_free(r.fold);
}

Test(spans, that_never_end_are_given_up_and_counted)
{
	struct rig r = rig_new();

	for (uint64_t i = 1; i <= 5000; i++)
		step(&r, 0, SPAN_BEGIN, i, 300, i);
	step(&r, 0, SPAN_END, 5000, 0, 6000);
	step(&r, 0, SPAN_END, 1, 0, 6000);
	finish(&r);
	cr_expect_eq(fold_result(r.fold)->spans_forgotten, 5000 - 4096);
	cr_expect_eq(span_of(&r, 300)->count, 1);
	fold_free(r.fold);
}

Test(spans, of_damaged_bytes_are_none)
{
	struct rig r = rig_new();

	step(&r, 0, SPAN_BEGIN, 0, 300, 1);
	step(&r, 0, SPAN_END, 77, 0, 2);
	step(&r, 0, (enum span_step)9, 77, 300, 3);
	step(&r, 0, SPAN_BEGIN, 5, 1u << 30, 4);
	step(&r, 0, SPAN_TURN, 12345, 0, 5);
	rig_alloc(&r, 0, 1, 100, 0x1000, 6);
	finish(&r);
	cr_expect_eq(fold_result(r.fold)->span_count, 0);
	fold_free(r.fold);
}
