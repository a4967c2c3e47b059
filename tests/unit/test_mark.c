#include "profiler/attach/mark.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "profiler/proc/remote.h"

/*
 * A heap of 64 KiB at HEAP, and a page of globals at DATA.  Words of either
 * are set by name of the block they refer to.
 */
#define HEAP 0x7f0000000000ULL
#define DATA 0x600000ULL

static uint64_t heap[8192], data[512];
static struct remote memory;
static const struct remote_range ranges[] = {
	{ DATA, data, sizeof(data) },
	{ HEAP, heap, sizeof(heap) },
};
static struct mark *mark;

/* Words of the heap that are in no block are roots, too: 64 bytes apart. */
enum block { A, B, C, D, E, BLOCKS };

static struct mark_block blocks[BLOCKS];

static void setup(void)
{
	memory = remote_fake(ranges, 2);
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = (struct mark_block) { HEAP + 64 * (uint64_t)i, 48 };
}

static void teardown(void)
{
	mark_free(mark);
}

TestSuite(mark, .init = setup, .fini = teardown);

static uint64_t *slot(enum block b)
{
	return &heap[8 * b];
}

static void scan(uint64_t start, uint64_t end, bool any_offset)
{
	struct mark_ranges all = { VEC_INIT };
	struct mark_range *r = vec_push(&all.list);

	*r = (struct mark_range) { start, end, any_offset };
	cr_assert_eq(mark_scan(mark, &memory, &all), 0);
	vec_free(&all.list);
}

static void run(void)
{
	struct mark_ranges all = { VEC_INIT };

	cr_assert_eq(mark_new(&mark, blocks, BLOCKS), 0);
	for (int i = 0; i < 2; i++) {
		struct mark_range *r = vec_push(&all.list);

		r->start = ranges[i].addr;
		r->end = ranges[i].addr + ranges[i].size;
	}
	cr_assert_eq(mark_scan(mark, &memory, &all), 0);
	cr_assert_eq(mark_follow(mark), 0);
	vec_free(&all.list);
}

/* "AC": which blocks were reached. */
static const char *reached(void)
{
	static char names[BLOCKS + 1];
	char *at = names;

	for (size_t i = 0; i < BLOCKS; i++)
		if (mark_reached(mark, i))
			*at++ = (char)('A' + i);
	*at = '\0';
	return names;
}

Test(mark, nothing_is_reached_without_a_reference)
{
	run();
	cr_assert_str_eq(reached(), "");
}

Test(mark, a_global_reaches_a_block_and_what_that_refers_to)
{
	data[7] = blocks[C].addr;
	*slot(C) = blocks[A].addr;
	*slot(A) = blocks[E].addr;
	run();
	cr_assert_str_eq(reached(), "ACE");
}

Test(mark, a_pointer_into_a_block_counts_and_one_past_it_does_not)
{
	data[0] = blocks[B].addr + 47;
	data[1] = blocks[D].addr + 48;
	run();
	cr_assert_str_eq(reached(), "B");
}

Test(mark, a_cycle_that_no_root_refers_to_is_not_reached)
{
	*slot(A) = blocks[B].addr;
	*slot(B) = blocks[C].addr;
	*slot(C) = blocks[A].addr;
	run();
	cr_assert_str_eq(reached(), "");
}

Test(mark, a_block_does_not_reach_itself)
{
	*slot(A) = blocks[A].addr;
	run();
	cr_assert_str_eq(reached(), "");
}

Test(mark, memory_of_the_heap_in_no_known_block_is_a_root)
{
	slot(B)[6] = blocks[D].addr; /* past the 48 bytes of B */
	run();
	cr_assert_str_eq(reached(), "D");
}

Test(mark, the_last_word_of_a_block_of_odd_size_belongs_to_it)
{
	blocks[A].size = 41;
	slot(A)[5] = blocks[B].addr;
	run();
	cr_assert_str_eq(reached(), "");
}

/* As glibc lays it out: A, and a free chunk behind it that is in a list. */
static void free_behind_a(uint64_t size)
{
	blocks[A].size = 40;
	for (int i = B; i < BLOCKS; i++)
		blocks[i].addr += 4096;
	heap[5] = size | 1;
	heap[6] = heap[7] = HEAP + 32;
	heap[4 + size / 8] = size;
	heap[5 + size / 8] = 48;
}

Test(mark, a_free_chunk_does_not_reach_the_block_before_it)
{
	free_behind_a(112);
	run();
	cr_expect(!mark_reached(mark, A));
}

Test(mark, a_link_in_what_is_no_free_chunk_counts)
{
	free_behind_a(112);
	heap[5 + 112 / 8] |= 1; /* in use */
	run();
	cr_expect(mark_reached(mark, A));
}

Test(mark, a_reference_back_to_a_block_behind_is_followed_on)
{
	*slot(D) = blocks[B].addr;
	*slot(B) = blocks[C].addr;
	*slot(E) = blocks[D].addr;
	data[3] = blocks[E].addr;
	run();
	cr_assert_str_eq(reached(), "BCDE");
}

Test(mark, registers_are_roots)
{
	const uint64_t registers[] = { 0, blocks[B].addr + 8, UINT64_MAX };

	cr_assert_eq(mark_new(&mark, blocks, BLOCKS), 0);
	cr_assert_eq(mark_words(mark, registers, 3), 0);
	cr_assert_str_eq(reached(), "B");
}

Test(mark, a_block_can_be_declared_reached_after_the_scan)
{
	*slot(A) = blocks[B].addr;
	run();
	cr_assert_eq(mark_block(mark, A), 0);
	cr_assert_eq(mark_follow(mark), 0);
	cr_assert_str_eq(reached(), "AB");
}

Test(mark, an_unaligned_pointer_counts_in_code_only)
{
	memcpy((char *)data + 3, &blocks[C].addr, 8);
	cr_assert_eq(mark_new(&mark, blocks, BLOCKS), 0);
	scan(DATA, DATA + sizeof(data), false);
	cr_assert_str_eq(reached(), "");
	scan(DATA, DATA + sizeof(data), true);
	cr_assert_str_eq(reached(), "C");
}

Test(mark, a_word_at_the_end_of_a_large_block_is_found_by_its_last_byte)
{
	struct mark_block large = { HEAP, 3ULL << 32 };

	data[0] = HEAP + large.size - 1;
	cr_assert_eq(mark_new(&mark, &large, 1), 0);
	scan(DATA, DATA + sizeof(data), false);
	cr_assert(mark_reached(mark, 0));
}

Test(mark, memory_that_cannot_be_read_is_counted_and_passed_over)
{
	data[511] = blocks[A].addr;
	cr_assert_eq(mark_new(&mark, blocks, BLOCKS), 0);
	scan(DATA, DATA + 2 * sizeof(data), false);
	cr_assert_str_eq(reached(), "A");
	cr_assert_eq(mark_unread(mark), sizeof(data));
	cr_assert_eq(mark_bytes(mark), sizeof(data));
}

Test(mark, blocks_that_overlap_are_refused)
{
	blocks[B].addr = blocks[A].addr + 40;
	cr_assert_eq(mark_new(&mark, blocks, BLOCKS), -EINVAL);
	cr_assert_null(mark);
}

/* A random graph against a marker that follows one reference at a time. */
#define MANY 4000

static struct mark_block many[MANY];
static bool expected[MANY];

static uint64_t draw(void)
{
	static uint64_t state = 4711;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void expect(size_t i)
{
	if (expected[i])
		return;
	expected[i] = true;
	for (uint64_t at = many[i].addr; at < many[i].addr + many[i].size;
	     at += 8) {
		uint64_t word = heap[(at - HEAP) / 8];

		for (size_t k = 0; k < MANY && word; k++)
			if (word - many[k].addr < many[k].size)
				expect(k);
	}
}

Test(mark, a_random_graph_is_marked_as_by_a_plain_marker)
{
	uint64_t at = HEAP;

	for (size_t i = 0; i < MANY; i++) {
		many[i].addr = at;
		many[i].size = 8 * (1 + draw() % 2);
		at += many[i].size; /* no memory between them: no roots */
	}
	for (uint64_t w = 0; w < (at - HEAP) / 8; w++)
		if (draw() % 8 < 5)
			heap[w] = many[draw() % MANY].addr + draw() % 8;
	for (int i = 0; i < 20; i++) {
		size_t root = draw() % MANY;

		data[i] = many[root].addr;
		expect(root);
	}
	cr_assert_eq(mark_new(&mark, many, MANY), 0);
	scan(HEAP, at, false); /* the heap first: references are kept */
	scan(DATA, DATA + sizeof(data), false);
	cr_assert_eq(mark_follow(mark), 0);
	for (size_t i = 0; i < MANY; i++)
		cr_assert_eq(mark_reached(mark, i), expected[i], "block %zu",
			     i);
}
