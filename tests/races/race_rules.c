/*
 * Four threads write the rules of overlapping pcs into a cache of 64 slots
 * and read them, in two generations at once: whatever is found is the rule of
 * the pc and the generation that were asked for.
 */
#include "profiler/unwind/rules.h"
#include "tests/races/races.h"

static struct rules *cache;

static uint64_t rule_of(uint32_t generation, uint64_t pc)
{
	return ((pc + generation) * 0x9e3779b97f4a7c15u) | 1;
}

static void *put_and_get(void *number)
{
	uint64_t random = (uintptr_t)number + 1, hits = 0;

	for (int i = 0; i < 200000; i++) {
		uint64_t pc, found;
		uint32_t generation;

		random = random * 6364136223846793005u + 1442695040888963407u;
		pc = 0x400000 + (random >> 56);
		generation = 1 + (random >> 40) % 2;
		if (rules_get(cache, generation, pc, &found)) {
			CHECK(found == rule_of(generation, pc));
			hits++;
		} else {
			rules_put(cache, generation, pc,
				  rule_of(generation, pc));
		}
	}
	CHECK(hits > 0);
	return NULL;
}

int main(void)
{
	cache = rules_init(calloc(1, rules_size(6)), 6);
	race(put_and_get);
	free(cache);
	return 0;
}
