/*
 * Addresses are put into the set by one thread and taken out by the next one,
 * while all do both and the filter grows: each is found exactly once, never
 * missed by the filter, and the set ends empty.
 */
#include "tests/races/races.h"
#include "tests/races/shim_fakes.h"

#define ROUNDS 30
#define EACH   1000

static pthread_barrier_t turn;
static uint64_t removed;

static uint64_t address(uintptr_t owner, unsigned round, unsigned i)
{
	return 0x10000000 + ((owner * ROUNDS + round) * EACH + i) * 16;
}

static void *insert_and_remove(void *number)
{
	uintptr_t me = (uintptr_t)number, other = (me + 1) % RACERS;

	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < EACH; i++) {
			uint64_t addr = address(me, round, i);

			CHECK(sampled_insert(addr));
			CHECK(filter_hit((void *)addr));
			sampled_maintain();
		}
		pthread_barrier_wait(&turn);
		for (unsigned i = 0; i < EACH; i++) {
			uint64_t addr = address(other, round, i);

			CHECK(filter_hit((void *)addr));
			CHECK(sampled_remove(addr));
			CHECK(!sampled_remove(addr));
			__atomic_fetch_add(&removed, 1, __ATOMIC_RELAXED);
		}
	}
	return NULL;
}

int main(void)
{
	shim.mode = SLAB_MODE_SAMPLE;
	shim.second_ticks = 1000000; /* grow within the test */
	sampled_start();
	pthread_barrier_init(&turn, NULL, RACERS);
	race(insert_and_remove);
	CHECK(removed == (uint64_t)RACERS * ROUNDS * EACH);
	return 0;
}
