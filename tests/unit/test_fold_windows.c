#include "tests/unit/fold_rig.h"

static struct fold_level levels[FOLD_WINDOWS];

Test(windows, a_level_holds_what_a_stack_held_in_its_window)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	rig_alloc(&r, 0, 1, 30, 0x2000, SECOND / 2);
	rig_free(&r, 0, 0x1000, SECOND + 1);
	rig_alloc(&r, 0, 1, 500, 0x3000, SECOND + 2);
	rig_free(&r, 0, 0x3000, 3 * SECOND);
	f = rig_finish(&r);
	s = rig_stack(f, 1);
	cr_assert_eq(f->window_count, 4);
	cr_expect_eq(f->window_ns, SECOND);
	fold_levels(f, &s, levels);
	cr_expect_eq(levels[0].end, 130);
	cr_expect_eq(levels[0].low, 0);
	cr_expect_eq(levels[0].old, 0);
	cr_expect_eq(levels[0].count, 2);
	cr_expect_eq(levels[0].allocated, 130);
	cr_expect_eq(levels[1].end, 530);
	cr_expect_eq(levels[1].low, 30);
	cr_expect_eq(levels[1].old, 30);
	cr_expect_eq(levels[1].allocated, 500);
	cr_expect_eq(levels[2].end, 530); /* quiet: all of it old */
	cr_expect_eq(levels[2].low, 530);
	cr_expect_eq(levels[2].old, 530);
	cr_expect_eq(levels[2].count, 2);
	cr_expect_eq(levels[2].allocated, 0);
	cr_expect_eq(levels[3].end, 30);
	cr_expect_eq(levels[3].low, 30);
	fold_free(r.fold);
}

Test(windows, a_stack_costs_nothing_in_windows_it_does_not_change_in)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	for (uint64_t i = 0; i < 200; i++)
		rig_alloc(&r, 0, 2, 8, 0x2000 + i * 16, i * SECOND);
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).level_count, 1);
	cr_expect_eq(rig_stack(f, 2).level_count, 200);
	fold_free(r.fold);
}

static void move(struct rig *r, uint32_t node, uint64_t size, uint64_t addr,
		 uint64_t at)
{
	rig_free(r, 0, addr, at);
	rig_event(r, 0,
		  (struct fold_event) { .type = RECORD_ALLOC,
					.api = API_REALLOC,
					.node = node,
					.size = size,
					.addr = addr,
					.ticks = at + 1 });
}

Test(windows, a_block_that_realloc_grows_is_never_gone_and_as_old_as_it_was)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	move(&r, 1, 150, 0x1000, SECOND + 10);
	move(&r, 1, 200, 0x1000, SECOND + 20);
	move(&r, 1, 50, 0x1000, 2 * SECOND + 10);
	move(&r, 1, 90, 0x1000, 2 * SECOND + 20);
	f = rig_finish(&r);
	s = rig_stack(f, 1);
	fold_levels(f, &s, levels);
	cr_expect_eq(levels[1].low, 100);
	cr_expect_eq(levels[1].old, 200);
	cr_expect_eq(levels[1].end, 200);
	cr_expect_eq(levels[2].low, 50);
	cr_expect_eq(levels[2].end, 90);
	fold_free(r.fold);
}

Test(windows, a_block_that_realloc_moves_to_another_stack_is_new_there)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	move(&r, 2, 150, 0x1000, SECOND + 10);
	f = rig_finish(&r);
	s = rig_stack(f, 1);
	fold_levels(f, &s, levels);
	cr_expect_eq(levels[1].low, 0);
	s = rig_stack(f, 2);
	fold_levels(f, &s, levels);
	cr_expect_eq(levels[1].low, 0);
	cr_expect_eq(levels[1].old, 0);
	cr_expect_eq(levels[1].end, 150);
	fold_free(r.fold);
}

Test(windows, windows_hold_totals_and_flows)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	rig_alloc(&r, 0, 2, 10, 0x2000, 5 * SECOND);
	rig_free(&r, 0, 0x1000, 5 * SECOND + 1);
	f = rig_finish(&r);
	cr_assert_eq(f->window_count, 6);
	cr_expect_eq(f->windows[0].allocated.bytes, 100);
	cr_expect_eq(f->windows[3].live.bytes, 100);
	cr_expect_eq(f->windows[3].allocated.bytes, 0);
	cr_expect_eq(f->windows[5].allocated.count, 1);
	cr_expect_eq(f->windows[5].released.bytes, 100);
	cr_expect_eq(f->windows[5].live.bytes, 10);
	fold_free(r.fold);
}

Test(windows, a_realloc_that_fails_in_a_later_window_leaves_no_flow)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	rig_free(&r, 0, 0x1000, 2 * SECOND);
	rig_addr(&r, 0, RECORD_UNFREE, 0x1000, 2 * SECOND + 1);
	f = rig_finish(&r);
	s = rig_stack(f, 1);
	fold_levels(f, &s, levels);
	cr_expect_eq(f->windows[2].released.bytes, 0);
	cr_expect_eq(levels[2].old, 100);
	fold_free(r.fold);
}

/* Random events over @seconds, against levels kept per final window. */
#define STACKS 7
#define SLOTS  60

struct naive {
	uint64_t size[SLOTS], born[SLOTS];
	uint32_t stack[SLOTS];
	double live[STACKS];
	double end[STACKS][FOLD_WINDOWS], low[STACKS][FOLD_WINDOWS];
	double old[STACKS][FOLD_WINDOWS], allocated[STACKS][FOLD_WINDOWS];
};

static void naive_close(struct naive *n, uint64_t window, uint64_t width)
{
	for (int s = 0; s < STACKS; s++) {
		n->end[s][window] = n->live[s];
		for (int i = 0; i < SLOTS; i++)
			if (n->size[i] && n->stack[i] == (uint32_t)s &&
			    n->born[i] < window * width)
				n->old[s][window] += (double)n->size[i];
	}
	for (int s = 0; s < STACKS && window + 1 < FOLD_WINDOWS; s++)
		n->low[s][window + 1] = n->live[s];
}

static void naive_step(struct naive *n, struct rig *r, int slot, uint32_t stack,
		       uint64_t size, uint64_t at, uint64_t window)
{
	uint64_t addr = 0x1000 + (uint64_t)slot * 64;

	if (n->size[slot]) {
		stack = n->stack[slot];
		n->live[stack] -= (double)n->size[slot];
		if (n->live[stack] < n->low[stack][window])
			n->low[stack][window] = n->live[stack];
		n->size[slot] = 0;
		rig_free(r, 0, addr, at);
		return;
	}
	n->size[slot] = size;
	n->stack[slot] = stack;
	n->born[slot] = at;
	n->live[stack] += (double)size;
	n->allocated[stack][window] += (double)size;
	rig_alloc(r, 0, stack + 1, size, addr, at);
}

static void agree(uint64_t seconds, uint64_t width, bool old_is_exact)
{
	static struct naive n;
	struct rig r = rig_new();
	const struct fold_result *f;
	uint64_t random = 7, window = 0, step = SECOND / 8;

	memset(&n, 0, sizeof(n));
	for (uint64_t at = 0; at < seconds * SECOND; at += step) {
		uint64_t x = rig_random(&random);

		for (; window < at / width; window++)
			naive_close(&n, window, width);
		if (x >> 60) /* or a pause */
			naive_step(&n, &r, (int)(x % SLOTS),
				   (uint32_t)(x >> 10) % STACKS,
				   1 + (x >> 20) % 1000, at, window);
	}
	naive_close(&n, window, width);
	f = rig_finish(&r);
	cr_assert_eq(f->window_ns, width);
	cr_assert_leq(f->window_count, window + 1);
	for (uint32_t s = 0; s < STACKS; s++) {
		struct fold_stack at = rig_stack(f, s + 1);

		fold_levels(f, &at, levels);
		for (size_t w = 0; w < f->window_count; w++) {
			cr_assert_eq(levels[w].end, n.end[s][w]);
			cr_assert_eq(levels[w].low, n.low[s][w]);
			cr_assert_eq(levels[w].allocated, n.allocated[s][w]);
			if (old_is_exact)
				cr_assert_eq(levels[w].old, n.old[s][w]);
			cr_assert_geq(levels[w].old, n.old[s][w]);
			cr_assert_leq(levels[w].old, levels[w].end);
		}
	}
	fold_free(r.fold);
}

Test(windows, levels_agree_with_the_slow_way)
{
	agree(239, SECOND, true);
}

Test(windows, widened_levels_agree_with_the_slow_way)
{
	agree(241, 2 * SECOND, false);
	agree(1900, 8 * SECOND, false);
}

Test(windows, a_long_silence_widens_more_than_once)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 0);
	rig_alloc(&r, 0, 1, 100, 0x2000, 100000 * SECOND);
	f = rig_finish(&r);
	cr_expect_eq(f->window_ns, 512 * SECOND);
	cr_expect_eq(f->window_count, 196);
	cr_expect_eq(f->windows[100].live.bytes, 100);
	cr_expect_eq(f->windows[195].live.bytes, 200);
	fold_free(r.fold);
}

Test(windows, sums_over_windows_are_the_totals_however_wide)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	double allocated = 0, released = 0;

	for (uint64_t i = 0; i < 5000; i++) {
		rig_alloc(&r, 0, 1, 10, 0x1000, i * SECOND);
		if (i % 3)
			rig_free(&r, 0, 0x1000, i * SECOND + 1);
	}
	f = rig_finish(&r);
	for (size_t w = 0; w < f->window_count; w++) {
		allocated += f->windows[w].allocated.bytes;
		released += f->windows[w].released.bytes;
	}
	cr_expect_eq(allocated, f->allocated.bytes);
	cr_expect_eq(released, f->released.bytes);
	fold_free(r.fold);
}

Test(windows, a_level_holds_what_a_stack_had_mapped)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_map(&r, 1, 0x10000, 0x100000, 0);
	rig_map(&r, 1, 0x10000, 0x200000, SECOND);
	rig_unmap(&r, 0x10000, 0x100000, 3 * SECOND);
	f = rig_finish(&r);
	s = rig_stack(f, 1);
	fold_levels(f, &s, levels);
	cr_expect_eq(levels[0].mapped, 0x10000);
	cr_expect_eq(levels[1].mapped, 0x20000);
	cr_expect_eq(levels[2].mapped, 0x20000);
	cr_expect_eq(levels[3].mapped, 0x10000);
	fold_free(r.fold);
}

Test(windows, a_level_holds_the_descriptors_that_a_stack_has_open)
{
	struct rig r = rig_new();
	const struct fold_result *f;
	struct fold_stack s;

	rig_descriptor(&r, 1, 1, 0);
	rig_descriptor(&r, 1, 1, SECOND);
	rig_descriptor(&r, 1, -1, 2 * SECOND);
	f = rig_finish(&r);
	s = rig_stack(f, 1);
	fold_levels(f, &s, levels);
	cr_expect_eq(levels[0].descriptors, 1);
	cr_expect_eq(levels[1].descriptors, 2);
	cr_expect_eq(levels[2].descriptors, 1);
	cr_expect_eq(s.descriptors, 1);
	fold_free(r.fold);
}
