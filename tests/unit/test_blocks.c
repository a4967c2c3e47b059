#include "profiler/trace/blocks.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "profiler/base/err.h"
#include "profiler/trace/digest.h"
#include "profiler/trace/fold.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0 (100 * SECOND)

static struct recording recording;
static struct lane lane;
static struct blocks *blocks;
static struct block *found;
static size_t count;
static uint32_t window;

static void setup(void)
{
	scratch_make();
	recording_begin(&recording, scratch_path("5.slabs"), 5);
	recording_nodes(&recording, 20, 4);
	lane_begin(&lane, &recording, 5, T0);
}

static void teardown(void)
{
	free(found);
	blocks_close(blocks);
	close(recording.fd);
	scratch_remove();
}

TestSuite(blocks, .init = setup, .fini = teardown);

static void flush(void)
{
	lane_flush(&lane);
	recording_flush(&recording);
}

static void open_blocks(void)
{
	struct err err = ERR_INIT;

	flush();
	cr_assert_eq(blocks_open(&blocks, scratch_path("5.slabs"), &err), 0,
		     "%s", err.text);
}

static void look(uint64_t ticks)
{
	struct err err = ERR_INIT;

	free(found);
	cr_assert_eq(blocks_at(blocks, ticks, &found, &count, &window, &err), 0,
		     "%s", err.text);
}

Test(blocks, those_alive_at_the_instant_are_listed_by_address)
{
	lane_alloc(&lane, 3, 100, 0x5000, T0 + 1);
	lane_alloc(&lane, 4, 200, 0x3000, T0 + 2);
	lane_alloc(&lane, 5, 300, 0x9000, T0 + 3);
	lane_free(&lane, 0x3000, T0 + 4);
	lane_alloc(&lane, 6, 400, 0x4000, T0 + 10);
	lane_free(&lane, 0x9000, T0 + 20);
	open_blocks();
	look(T0 + 15);
	cr_assert_eq(count, 3);
	cr_assert_eq(found[0].addr, 0x4000);
	cr_assert_eq(found[0].node, 6);
	cr_assert_eq(found[1].addr, 0x5000);
	cr_assert_eq(found[1].size, 100);
	cr_assert_eq(found[2].addr, 0x9000);
}

Test(blocks, addresses_of_all_sizes_sort)
{
	static const uint64_t addrs[] = { 0x7fff12345670, 0x10,
					  0x555555554000, 0x7f0000001000,
					  0x7f0000000ff0, 0x600000 };

	for (size_t i = 0; i < 6; i++)
		lane_alloc(&lane, 1, 8, addrs[i], T0 + i);
	open_blocks();
	look(T0 + 9);
	cr_assert_eq(count, 6);
	for (size_t i = 1; i < 6; i++)
		cr_assert_lt(found[i - 1].addr, found[i].addr);
}

Test(blocks, a_later_instant_goes_on_from_the_earlier_one)
{
	lane_alloc(&lane, 3, 100, 0x5000, T0 + 1);
	open_blocks();
	look(T0 + 5);
	cr_assert_eq(count, 1);
	lane_alloc(&lane, 3, 100, 0x6000, T0 + 6);
	lane_free(&lane, 0x5000, T0 + 7);
	flush();
	look(T0 + 8);
	cr_assert_eq(count, 1);
	cr_assert_eq(found[0].addr, 0x6000);
}

Test(blocks, a_block_of_an_earlier_window_is_told_from_a_later_one)
{
	lane_alloc(&lane, 3, 100, 0x5000, T0 + 1);
	lane_alloc(&lane, 3, 100, 0x6000, T0 + 3 * SECOND);
	lane_alloc(&lane, 3, 100, 0x7000, T0 + 5 * SECOND);
	open_blocks();
	look(T0 + 5 * SECOND + 1);
	cr_assert_lt(found[0].birth, found[1].birth);
	cr_assert_lt(found[1].birth, found[2].birth);
	cr_assert_eq(found[2].birth, window);
}

Test(blocks, time_without_events_makes_blocks_older)
{
	lane_alloc(&lane, 3, 100, 0x5000, T0 + 1);
	open_blocks();
	look(T0 + FOLD_WINDOW_NS / 2);
	cr_assert_eq(window, found[0].birth);
	look(T0 + FOLD_WINDOW_NS * 3 / 2);
	cr_assert_eq(window, found[0].birth + 1);
	look(T0 + FOLD_WINDOW_NS * 9);
	cr_assert_eq(window, found[0].birth + 2);
}

Test(blocks, so_does_time_before_the_events_of_the_instant)
{
	lane_alloc(&lane, 3, 100, 0x5000, T0 + 1);
	lane_alloc(&lane, 3, 100, 0x6000, T0 + 9 * FOLD_WINDOW_NS);
	open_blocks();
	look(T0 + 9 * FOLD_WINDOW_NS + 1);
	cr_assert_eq(found[1].birth, window);
	cr_assert_gt(window, found[0].birth + 1);
}

/* Else what one scan found would seem to be released by the next. */
Test(blocks, an_instant_between_does_not_change_when_blocks_were_born)
{
	uint32_t birth;

	lane_alloc(&lane, 3, 100, 0x5000, T0 + 1);
	open_blocks();
	look(T0 + 9 * SECOND);
	lane_alloc(&lane, 3, 100, 0x6000, T0 + 10 * SECOND);
	flush();
	look(T0 + 11 * SECOND);
	birth = found[1].birth;
	blocks_close(blocks);
	open_blocks();
	look(T0 + 11 * SECOND);
	cr_assert_eq(found[1].birth, birth);
}

static void digest(uint64_t until)
{
	struct err err = ERR_INIT;
	struct digest *d;

	cr_assert_eq(digest_open(&d, scratch, &err), 0);
	cr_assert_eq(digest_flush(d, until, &err), 0, "%s", err.text);
	digest_close(d);
}

static void fill(uint64_t events)
{
	for (uint64_t i = 0; i < events; i++)
		lane_alloc(&lane, 1 + i % 9, 64, 0x100000 + i * 64,
			   T0 + i * 1000);
	flush();
}

Test(blocks, what_a_digester_has_given_back_is_in_its_digest)
{
	fill(50000);
	open_blocks();
	look(T0 + 10000 * 1000);
	cr_assert_eq(count, 10001);
	digest(T0 + 40000 * 1000);
	look(T0 + 45000 * 1000);
	cr_assert_eq(count, 45001);
	cr_assert_eq(found[45000].addr, 0x100000 + 45000 * 64);
}

Test(blocks, an_instant_before_the_digest_s_end_is_refused)
{
	struct err err = ERR_INIT;

	fill(50000);
	open_blocks();
	digest(T0 + 40000 * 1000);
	cr_assert_eq(blocks_at(blocks, T0 + 10000 * 1000, &found, &count,
			       &window, &err),
		     -EAGAIN);
	cr_assert_null(found);
}
