/*
 * A ring of 64 MiB is allocated at the start and written round and round.
 *
 * class: clean
 * function: make_ring
 * fools: until it has gone round once, at two thirds of the run, RSS grows in
 *     a straight line, while the heap allocates nothing at all: to the eye it
 *     is what fragmentation looks like.  All of it was asked for before the
 *     first request.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

#define PAGES 16384

static char *ring;

NOINLINE static void make_ring(void)
{
	ring = calloc(PAGES, 4096);
	if (!ring)
		give_up("out of memory");
}

void case_start(void)
{
	make_ring();
}

void case_request(struct request *r)
{
	uint64_t round = plan.requests * 2 / 3 + 1;
	uint64_t page = r->number % round * PAGES / round;

	__atomic_add_fetch(&ring[page * 4096], 1, __ATOMIC_RELAXED);
}
