/*
 * Rings as the kernel lays them out, in a file: the reader's page, the
 * writers', and the bytes, twice.
 */
#include <criterion/criterion.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "profiler/probe/ring.h"

#define SIZE 4096u
#define HEAD BPF_RINGBUF_HDR_SZ

struct rig {
	struct ring *ring;
	char *memory;
	uint64_t page, at;
	char heard[256];
	int answer;
};

static int hear(void *context, void *bytes, size_t size)
{
	struct rig *rig = context;

	strncat(rig->heard, bytes, size);
	strcat(rig->heard, ".");
	return rig->answer;
}

static struct rig *rig_at(uint64_t position)
{
	static struct rig rig;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	size_t whole = 2 * page + 2 * (size_t)SIZE;
	int fd = memfd_create("ring", 0);

	memset(&rig, 0, sizeof(rig));
	cr_assert_eq(ftruncate(fd, (off_t)whole), 0);
	rig.memory =
		mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(rig.memory, MAP_FAILED);
	rig.page = page;
	rig.at = position;
	memcpy(rig.memory, &position, sizeof(position));
	memcpy(rig.memory + page, &position, sizeof(position));
	cr_assert_eq(ring_open(&rig.ring, fd, SIZE, hear, &rig), 0);
	return &rig;
}

/* Both copies, as the kernel maps them. */
static void put(struct rig *rig, uint64_t at, const void *bytes, size_t size)
{
	char *base = rig->memory + 2 * rig->page;

	for (size_t i = 0; i < size; i++) {
		size_t to = (at + i) % SIZE;

		base[to] = base[SIZE + to] = ((const char *)bytes)[i];
	}
}

static void tell_flagged(struct rig *rig, const char *text, uint32_t flags)
{
	uint32_t head[2] = { (uint32_t)strlen(text) | flags, 0 };

	put(rig, rig->at, head, sizeof(head));
	put(rig, rig->at + HEAD, text, strlen(text));
	rig->at += (HEAD + strlen(text) + 7) / 8 * 8;
	memcpy(rig->memory + rig->page, &rig->at, sizeof(rig->at));
}

static uint64_t position(const struct rig *rig)
{
	uint64_t at;

	memcpy(&at, rig->memory, sizeof(at));
	return at;
}

Test(ring, events_come_in_order_and_their_room_is_given_back)
{
	struct rig *rig = rig_at(0);

	tell_flagged(rig, "one", 0);
	tell_flagged(rig, "another", 0);
	cr_expect_eq(ring_consume(rig->ring), 0);
	cr_expect_str_eq(rig->heard, "one.another.");
	cr_expect_eq(position(rig), rig->at);
	ring_close(rig->ring);
}

Test(ring, an_event_over_the_end_is_in_one_piece)
{
	struct rig *rig = rig_at(7 * SIZE - 16);

	tell_flagged(rig, "longer than what is left", 0);
	cr_expect_eq(ring_consume(rig->ring), 0);
	cr_expect_str_eq(rig->heard, "longer than what is left.");
	ring_close(rig->ring);
}

Test(ring, what_is_still_being_written_is_waited_for)
{
	struct rig *rig = rig_at(0);

	tell_flagged(rig, "whole", 0);
	tell_flagged(rig, "part", BPF_RINGBUF_BUSY_BIT);
	tell_flagged(rig, "behind", 0);
	cr_expect_eq(ring_consume(rig->ring), 0);
	cr_expect_str_eq(rig->heard, "whole.");
	cr_expect_eq(position(rig), 16);
	ring_close(rig->ring);
}

Test(ring, what_was_given_up_is_passed_over)
{
	struct rig *rig = rig_at(0);

	tell_flagged(rig, "dropped", BPF_RINGBUF_DISCARD_BIT);
	tell_flagged(rig, "kept", 0);
	cr_expect_eq(ring_consume(rig->ring), 0);
	cr_expect_str_eq(rig->heard, "kept.");
	ring_close(rig->ring);
}

Test(ring, a_sink_can_end_it_and_the_rest_comes_later)
{
	struct rig *rig = rig_at(0);

	tell_flagged(rig, "one", 0);
	tell_flagged(rig, "two", 0);
	rig->answer = -7;
	cr_expect_eq(ring_consume(rig->ring), -7);
	cr_expect_str_eq(rig->heard, "one.");
	rig->answer = 0;
	cr_expect_eq(ring_consume(rig->ring), 0);
	cr_expect_str_eq(rig->heard, "one.two.");
	ring_close(rig->ring);
}
