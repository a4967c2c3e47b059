/*
 * Four threads write the rules of overlapping pcs into a cache of 64 slots
 * and read them, in two generations at once: whatever is found is the rule of
 * the pc and the generation that were asked for.
 */
#include "profiler/unwind/rules.h"
#include "tests/races/races.h"

static struct rules *cache;

static struct cfi_rule rule_of(uint32_t generation, uint64_t pc)
{
	uint64_t mixed = (pc + generation) * 0x9e3779b97f4a7c15u;

	return (struct cfi_rule) { .cfa = (int32_t)(mixed >> 32),
				   .bp = (int16_t)(mixed >> 16) };
}

static void *put_and_get(void *number)
{
	uint64_t random = (uintptr_t)number + 1, hits = 0;

	for (int i = 0; i < 200000; i++) {
		struct cfi_rule found, expected;
		uint32_t generation;
		uint64_t pc;

		random = random * 6364136223846793005u + 1442695040888963407u;
		pc = 0x400000 + (random >> 56);
		generation = 1 + (random >> 40) % 2;
		expected = rule_of(generation, pc);
		if (rules_get(cache, generation, pc, &found)) {
			CHECK(found.cfa == expected.cfa);
			CHECK(found.bp == expected.bp);
			hits++;
		} else {
			rules_put(cache, generation, pc, expected);
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
