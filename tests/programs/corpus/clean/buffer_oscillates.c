/*
 * Each worker has one buffer, made larger and smaller as answers need it.
 *
 * class: clean
 * function: fit
 * fools: a realloc for each request, so that the same eight buffers are a
 *     hundred thousand allocations of up to half a megabyte; now and then
 *     there is a new largest one, and the last size is as good as any.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>
#include <string.h>

#define WORKERS 8

static char *buffers[WORKERS];

NOINLINE static void fit(unsigned worker, size_t size)
{
	char *b = realloc(buffers[worker], size);

	if (!b)
		give_up("out of memory");
	b[size - 1] = 1;
	buffers[worker] = b;
}

/* Half of the answers are below 4 KiB, one in 128 above 256 KiB. */
void case_request(struct request *r)
{
	uint64_t dice = scramble(r->number);
	unsigned scale = (unsigned)__builtin_ctzll(dice | 128);

	fit(r->worker % WORKERS, (4096ul << scale) / 2 + (dice >> 32) % 2048);
}
