/*
 * 48 connections, each with a thread and a malloc arena of its own.
 *
 * class: clean
 * function: assemble
 * load: 8 x 400/s for 1/4; 24 x 1200/s for 1/4; 48 x 2600/s for 1/2
 * fools: RSS grows with each thread that comes, by what its arena keeps of the
 *     worst request it had; the heap's live bytes are next to nothing.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

#define WORKERS 48
#define PARTS	64

const struct shape shape = { WORKERS, 0 };

NOINLINE static char *assemble(size_t size)
{
	char *part = malloc(size);

	fill(part, size);
	return part;
}

void case_request(struct request *r)
{
	uint64_t dice = scramble(r->number);
	unsigned count = 1 + dice % PARTS * (dice / PARTS % PARTS) / PARTS;
	char *parts[PARTS];

	for (unsigned i = 0; i < count; i++)
		parts[i] = assemble(100 + scramble(dice + i) % 4000);
	for (unsigned i = 0; i < count; i++)
		free(parts[i]);
}
