/*
 * One request in a thousand, at random, takes a path that forgets 8 KiB.
 *
 * class: leak
 * function: retry
 * bytes: 8.192
 * hides: 120 blocks among 120,000 requests, each of which allocates and frees
 *     eight; a sampler sees a dozen of them.
 * argued: over a run of n requests their number varies by the root of
 *     n / 1,000; so the thousands are counted off, each with a place of its
 *     own for the one that fails.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

NOINLINE static void retry(void)
{
	char *copy = malloc(8192);

	fill(copy, 8192);
	USE(copy);
}

NOINLINE static void parse(uint64_t number)
{
	char *parts[8];

	for (int i = 0; i < 8; i++) {
		size_t size = 32 + scramble(number * 8 + i) % 2000;

		parts[i] = malloc(size);
		fill(parts[i], size);
	}
	for (int i = 0; i < 8; i++)
		free(parts[i]);
}

void case_request(struct request *r)
{
	parse(r->number);
	if (scramble(r->number / 1000) % 1000 == r->number % 1000)
		retry();
}
