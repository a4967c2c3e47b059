/*
 * Vectors are aligned for SIMD, and one in four is lost.
 *
 * class: leak
 * function: embed
 * bytes: 96
 * hides: neither malloc nor free is ever called with what is lost: half of it
 *     is from posix_memalign, half from aligned_alloc.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

NOINLINE static void *embed(uint64_t number)
{
	void *v = NULL;

	if (number % 2)
		v = aligned_alloc(64, 384);
	else if (posix_memalign(&v, 32, 384) != 0)
		give_up("out of memory");
	fill(v, 384);
	return v;
}

void case_request(struct request *r)
{
	void *v = embed(scramble(r->number) % 16);

	if (r->number % 4)
		free(v);
}
