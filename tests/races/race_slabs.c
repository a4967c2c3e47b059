/*
 * Threads take slabs, fill them, leave them half full for others and seal
 * them: at the end the file holds every byte that was committed, each slab was
 * one thread's at a time, no slab is mapped any more, and the quota was
 * charged for what the slabs have room for.
 */
#include <string.h>
#include <unistd.h>

#include "preload/sys.h"
#include "tests/races/races.h"
#include "tests/races/shim_fakes.h"

#define LIVES	200 /* thread states begun and left by each racer */
#define RECORDS 300
#define SIZE	37 /* bytes of a record here */

static uint64_t committed;

static void live_once(struct thread_state *ts, uintptr_t number)
{
	for (int i = 0; i < RECORDS; i++) {
		uint8_t *at = pen_room(ts, ticks_now());

		CHECK(at);
		memset(at, 0x80 | (int)number, SIZE);
		pen_commit(ts, at + SIZE);
		__atomic_fetch_add(&committed, 1, __ATOMIC_RELAXED);
	}
	pen_release(ts);
	CHECK(!ts->pen.head);
}

static void *live(void *number)
{
	struct thread_state ts = { .tid = (int)(uintptr_t)number + 1 };

	for (int i = 0; i < LIVES; i++)
		live_once(&ts, (uintptr_t)number);
	return NULL;
}

/* The records of a slab, found by their fill: whole ones only. */
static uint64_t count_records(const uint8_t *bytes, size_t size)
{
	uint64_t count = 0, run = 0;

	for (size_t i = 0; i < size; i++) {
		run = bytes[i] & 0x80 ? run + 1 : 0;
		if (run == SIZE) {
			count++;
			run = 0;
		}
	}
	return count;
}

static uint64_t count_file(uint64_t *room)
{
	static uint8_t slab[SLAB_SIZE];
	uint64_t count = 0;

	for (uint64_t n = 0; n < shim.file->slabs_taken; n++) {
		const struct slab_head *head = (void *)slab;

		ssize_t got = pread(shim.fd, slab, sizeof(slab),
				    (off_t)slab_offset(n));

		CHECK(head->magic == SLAB_MAGIC && head->room <= got);
		CHECK(head->used <= head->room - sizeof(*head));
		*room += head->room;
		count += count_records(slab + sizeof(*head), head->used);
	}
	return count;
}

int main(void)
{
	static struct wire_quota quota = { .max_bytes = 1u << 30 };
	uint64_t room = 0;

	shim_fake_file();
	shim.quota = &quota;
	race(live);
	CHECK(committed == (uint64_t)RACERS * LIVES * RECORDS);
	CHECK(count_file(&room) == committed);
	CHECK(quota.held_bytes == room);
	CHECK(shim.file->stats.slab_bytes == 0);
	for (int i = 0; i < DROP_NREASONS; i++)
		CHECK(shim.file->stats.drops[i] == 0);
	return 0;
}
