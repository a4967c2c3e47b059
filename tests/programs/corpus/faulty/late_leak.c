/*
 * From the middle of the run on, a feature that was switched on leaks.
 *
 * class: leak
 * function: count_hit
 * bytes: 96
 * hides: for half of the run there is nothing to find, and a line through the
 *     whole of it fits badly.
 * argued: bytes are what it leaks once it does; a figure for the whole run
 *     would say half, and be wrong tomorrow.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

NOINLINE static void count_hit(void)
{
	char *hit = malloc(96);

	fill(hit, 96);
	USE(hit);
}

void case_request(struct request *r)
{
	if (r->number > plan.requests / 2)
		count_hit();
}
