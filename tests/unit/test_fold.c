#include "tests/unit/fold_rig.h"

Test(fold, bytes_and_blocks_are_counted_by_stack)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_alloc(&r, 0, 2, 30, 0x2000, 2);
	rig_alloc(&r, 0, 1, 11, 0x3000, 3);
	rig_free(&r, 0, 0x1000, 4);
	f = rig_finish(&r);
	cr_expect_eq(f->stack_count, 2);
	cr_expect_eq(rig_stack(f, 1).live.bytes, 11);
	cr_expect_eq(rig_stack(f, 1).live.count, 1);
	cr_expect_eq(rig_stack(f, 1).allocated.bytes, 111);
	cr_expect_eq(rig_stack(f, 1).allocated.count, 2);
	cr_expect_eq(rig_stack(f, 2).live.bytes, 30);
	cr_expect_eq(f->live.bytes, 41);
	cr_expect_eq(f->allocated.bytes, 141);
	cr_expect_eq(f->released.bytes, 100);
	cr_expect_eq(f->released.count, 1);
	cr_expect_eq(f->allocations, 3);
	cr_expect_eq(f->releases, 1);
	cr_expect_eq(f->live.bytes_variance, 0);
	fold_free(r.fold);
}

Test(fold, stacks_come_sorted_by_node)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 9, 1, 0x1000, 1);
	rig_alloc(&r, 0, 3, 1, 0x2000, 2);
	rig_alloc(&r, 0, 7, 1, 0x3000, 3);
	f = rig_finish(&r);
	cr_expect_eq(f->stacks[0].node, 3);
	cr_expect_eq(f->stacks[1].node, 7);
	cr_expect_eq(f->stacks[2].node, 9);
	fold_free(r.fold);
}

Test(fold, a_block_freed_by_another_thread_leaves_the_stack_that_made_it)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_alloc(&r, 1, 2, 50, 0x2000, 2);
	rig_free(&r, 1, 0x1000, 3);
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).live.bytes, 0);
	cr_expect_eq(rig_stack(f, 2).live.bytes, 50);
	cr_expect_eq(f->temporary.bytes, 0);
	fold_free(r.fold);
}

Test(fold, a_release_of_an_unknown_block_is_inherited)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_free(&r, 0, 0x1000, 1);
	f = rig_finish(&r);
	cr_expect_eq(f->inherited_releases, 1);
	cr_expect_eq(f->releases, 1);
	cr_expect_eq(f->released.bytes, 0);
	fold_free(r.fold);
}

Test(fold, a_realloc_that_failed_leaves_everything_as_it_was)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_free(&r, 0, 0x1000, 2);
	rig_addr(&r, 0, RECORD_UNFREE, 0x1000, 3);
	f = rig_finish(&r);
	cr_expect_eq(f->live.bytes, 100);
	cr_expect_eq(f->releases, 0);
	cr_expect_eq(f->released.count, 0);
	cr_expect_eq(rig_stack(f, 1).live.count, 1);
	cr_expect_eq(rig_stack(f, 1).temporary.count, 0);
	cr_expect_eq(rig_stack(f, 1).allocated.count, 1);
	fold_free(r.fold);
}

Test(fold, a_block_is_freed_once_after_its_realloc_failed)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_free(&r, 0, 0x1000, 2);
	rig_addr(&r, 0, RECORD_UNFREE, 0x1000, 3);
	rig_addr(&r, 0, RECORD_UNFREE, 0x1000, 4);
	rig_free(&r, 0, 0x1000, 5);
	f = rig_finish(&r);
	cr_expect_eq(f->live.bytes, 0);
	cr_expect_eq(f->releases, 1);
	cr_expect_eq(f->inherited_releases, 0);
	fold_free(r.fold);
}

Test(fold, an_inherited_block_whose_realloc_failed_was_not_released)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_free(&r, 0, 0x1000, 1);
	rig_addr(&r, 0, RECORD_UNFREE, 0x1000, 2);
	f = rig_finish(&r);
	cr_expect_eq(f->inherited_releases, 0);
	cr_expect_eq(f->releases, 0);
	fold_free(r.fold);
}

Test(fold, a_birth_on_a_live_address_ends_the_older_block)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 10);
	rig_alloc(&r, 1, 2, 64, 0x1000, 20);
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).live.bytes, 0);
	cr_expect_eq(rig_stack(f, 2).live.bytes, 64);
	cr_expect_eq(f->live.count, 1);
	fold_free(r.fold);
}

Test(fold, the_late_release_of_the_older_block_is_swallowed_once)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 10);
	rig_alloc(&r, 1, 2, 64, 0x1000, 20);
	rig_free(&r, 0, 0x1000, 25); /* of the older one */
	rig_alloc(&r, 1, 3, 8, 0x2000, 26);
	rig_free(&r, 0, 0x1000, 30); /* of the newer one */
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 2).live.bytes, 0);
	cr_expect_eq(rig_stack(f, 3).live.bytes, 8);
	cr_expect_eq(f->inherited_releases, 0);
	cr_expect_eq(f->releases, 2);
	fold_free(r.fold);
}

Test(fold, a_late_release_is_swallowed_after_the_newer_block_died_too)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 10);
	rig_alloc(&r, 1, 2, 64, 0x1000, 20);
	rig_free(&r, 1, 0x1000, 24);
	rig_free(&r, 0, 0x1000, 25);
	f = rig_finish(&r);
	cr_expect_eq(f->live.bytes, 0);
	cr_expect_eq(f->inherited_releases, 0);
	fold_free(r.fold);
}

Test(fold, a_release_long_after_a_birth_on_a_live_address_is_real)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 10);
	rig_alloc(&r, 1, 2, 64, 0x1000, 20);
	rig_free(&r, 0, 0x1000, 20 + SECOND);
	f = rig_finish(&r);
	cr_expect_eq(f->live.bytes, 0);
	fold_free(r.fold);
}

Test(fold, temporary_is_freed_by_its_thread_before_its_next_allocation)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_alloc(&r, 0, 2, 10, 0x2000, 2);
	rig_free(&r, 0, 0x1000, 3); /* not its latest */
	rig_free(&r, 0, 0x2000, 4); /* temporary all the same */
	rig_alloc(&r, 0, 3, 7, 0x1000, 5);
	rig_alloc(&r, 1, 4, 9, 0x3000, 6); /* of another thread */
	rig_free(&r, 0, 0x1000, 7);	   /* temporary */
	rig_free(&r, 0, 0x3000, 8);	   /* freed by another thread */
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).temporary.count, 0);
	cr_expect_eq(rig_stack(f, 2).temporary.bytes, 10);
	cr_expect_eq(rig_stack(f, 3).temporary.bytes, 7);
	cr_expect_eq(rig_stack(f, 4).temporary.count, 0);
	cr_expect_eq(f->temporary.bytes, 17);
	cr_expect_eq(f->temporary.count, 2);
	fold_free(r.fold);
}

Test(fold, an_address_that_another_thread_took_over_is_not_temporary)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_free(&r, 1, 0x1000, 2);
	rig_alloc(&r, 1, 2, 100, 0x1000, 3);
	rig_free(&r, 0, 0x1000, 4);
	f = rig_finish(&r);
	cr_expect_eq(f->temporary.count, 0);
	fold_free(r.fold);
}

Test(fold, the_peak_has_the_weights_of_its_very_moment)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, 1, 100, 0x1000, 1);
	rig_alloc(&r, 0, 2, 50, 0x2000, 2);
	rig_alloc(&r, 0, 3, 20, 0x3000, 3); /* the high: 170 */
	rig_free(&r, 0, 0x1000, 4);
	rig_alloc(&r, 0, 2, 60, 0x4000, 5); /* 130 */
	rig_alloc(&r, 0, 4, 40, 0x5000, 6); /* 170 again: not higher */
	rig_free(&r, 0, 0x2000, 7);
	f = rig_finish(&r);
	cr_expect_eq(f->peak.bytes, 170);
	cr_expect_eq(f->peak.count, 3);
	cr_expect_eq(f->peak_ns, START + 3);
	cr_expect_eq(rig_stack(f, 1).peak.bytes, 100);
	cr_expect_eq(rig_stack(f, 2).peak.bytes, 50);
	cr_expect_eq(rig_stack(f, 3).peak.bytes, 20);
	cr_expect_eq(rig_stack(f, 4).peak.bytes, 0);
	fold_free(r.fold);
}

#define STACKS 20
#define SLOTS  300

/* The truth, kept the slow way. */
struct naive {
	struct {
		uint64_t size;
		uint32_t stack;
		int lane;
	} slots[SLOTS];
	uint64_t live[STACKS], count[STACKS], allocated[STACKS];
	uint64_t peak[STACKS], temporary[STACKS];
	uint64_t total, highest;
	int latest[RIG_LANES]; /* slot + 1 of a lane's latest allocation */
};

static void naive_alloc(struct naive *n, int slot, int lane, uint32_t stack,
			uint64_t size)
{
	n->slots[slot].size = size;
	n->slots[slot].stack = stack;
	n->slots[slot].lane = lane;
	n->live[stack] += size;
	n->count[stack]++;
	n->allocated[stack] += size;
	n->total += size;
	n->latest[lane] = slot + 1;
	if (n->total > n->highest) {
		n->highest = n->total;
		memcpy(n->peak, n->live, sizeof(n->peak));
	}
}

static void naive_free(struct naive *n, int slot, int lane)
{
	uint32_t stack = n->slots[slot].stack;
	uint64_t size = n->slots[slot].size;

	n->live[stack] -= size;
	n->count[stack]--;
	n->total -= size;
	if (n->latest[lane] == slot + 1 && n->slots[slot].lane == lane)
		n->temporary[stack] += size;
	n->slots[slot].size = 0;
}

Test(fold, a_hundred_thousand_random_events_agree_with_the_slow_way)
{
	static struct naive n;
	struct rig r = rig_new();
	const struct fold_result *f;
	uint64_t random = 42;

	for (uint64_t i = 1; i <= 100000; i++) {
		uint64_t x = rig_random(&random);
		int slot = (int)(x % SLOTS),
		    lane = (int)((x >> 20) % RIG_LANES);
		uint64_t addr = 0x10000 + (uint64_t)slot * 4096;
		uint32_t stack = (uint32_t)((x >> 30) % STACKS);
		uint64_t size = 1 + (x >> 40) % 5000;

		if (n.slots[slot].size) {
			naive_free(&n, slot, lane);
			rig_free(&r, lane, addr, i);
		} else {
			naive_alloc(&n, slot, lane, stack, size);
			rig_alloc(&r, lane, stack + 1, size, addr, i);
		}
	}
	f = rig_finish(&r);
	cr_expect_eq(f->live.bytes, n.total);
	cr_expect_eq(f->peak.bytes, n.highest);
	for (uint32_t s = 0; s < STACKS; s++) {
		struct fold_stack at = rig_stack(f, s + 1);

		cr_expect_eq(at.live.bytes, n.live[s]);
		cr_expect_eq(at.live.count, n.count[s]);
		cr_expect_eq(at.allocated.bytes, n.allocated[s]);
		cr_expect_eq(at.peak.bytes, n.peak[s]);
		cr_expect_eq(at.temporary.bytes, n.temporary[s]);
	}
	fold_free(r.fold);
}

Test(fold, part_of_a_mapping_can_be_unmapped)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_map(&r, 1, 0x10000, 0x100000, 1);
	rig_map(&r, 2, 0x4000, 0x110000, 2);
	rig_unmap(&r, 0x2000, 0x104000, 3); /* a hole */
	rig_unmap(&r, 0x4000, 0x10e000, 4); /* an end and a beginning */
	rig_unmap(&r, 0x1000, 0x500000, 5); /* nothing of ours */
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).mapped, 0x10000 - 0x2000 - 0x2000);
	cr_expect_eq(rig_stack(f, 2).mapped, 0x4000 - 0x2000);
	cr_expect_eq(f->windows[0].mapped, 0xe000);
	fold_free(r.fold);
}

Test(fold, a_mapping_over_another_replaces_it)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_map(&r, 1, 0x4000, 0x100000, 1);
	rig_map(&r, 2, 0x1800, 0x101000, 2); /* 0x2000 in pages */
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).mapped, 0x2000);
	cr_expect_eq(rig_stack(f, 2).mapped, 0x2000);
	fold_free(r.fold);
}

Test(fold, a_large_unmap_takes_every_mapping_in_it)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	for (uint64_t i = 0; i < 100; i++)
		rig_map(&r, (uint32_t)(i % 3) + 1, 0x1000, i * 0x3000 + 0x1000,
			i);
	rig_unmap(&r, 98 * 0x3000, 0x4000, 200);
	f = rig_finish(&r);
	cr_expect_eq(f->windows[0].mapped, 2 * 0x1000);
	fold_free(r.fold);
}

Test(fold, heap_growth_is_net)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_event(&r, 0,
		  (struct fold_event) {
			  .type = RECORD_BRK, .node = 1, .size = 4096 });
	rig_event(&r, 0,
		  (struct fold_event) { .type = RECORD_BRK,
					.node = 1,
					.size = (uint64_t)-1024 });
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).heap_grown, 3072);
	cr_expect_eq(f->windows[0].heap_end, 3072);
	fold_free(r.fold);
}

Test(fold, damaged_values_are_held_off)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_alloc(&r, 0, UINT32_MAX, 10, 0x1000, 1); /* no such node */
	rig_alloc(&r, 0, 1, 10, 0, 2);		     /* no such address */
	rig_free(&r, 0, 0, 3);
	rig_map(&r, 1, UINT64_MAX, 0x1000, 4);
	rig_map(&r, 1, 0x1000, UINT64_MAX - 10, 5);
	rig_unmap(&r, UINT64_MAX, 0, 6);
	rig_alloc(&r, 0, 1, UINT64_MAX, 0x3000, UINT64_MAX - START - 5);
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 0).live.bytes, 10);
	cr_expect_eq(f->windows[0].mapped, 0);
	cr_expect_leq(f->window_count, FOLD_WINDOWS);
	fold_free(r.fold);
}

Test(fold, an_arena_is_no_memory_beside_its_blocks)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_event(&r, 0,
		  (struct fold_event) { .type = RECORD_MAP,
					.api = API_PYTHON_OBJECT,
					.node = 1,
					.size = 0x10000,
					.addr = 0x100000,
					.ticks = 1 });
	rig_map(&r, 1, 0x4000, 0x200000, 2);
	rig_unmap(&r, 0x1000, 0x100000, 3);
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).mapped, 0x4000);
	cr_expect_eq(rig_stack(f, 1).heap_grown, 0xf000);
	cr_expect_eq(f->windows[0].mapped, 0x4000);
	fold_free(r.fold);
}
