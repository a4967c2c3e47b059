/*
 * A token of 16 bytes is made for each request and forgotten.
 *
 * class: leak
 * function: make_token
 * bytes: 16
 * hides: 2 MB in 120,000 requests, less than most servers' noise; and the
 *     request makes and frees a hundred times as much besides.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

NOINLINE static void make_token(struct request *r)
{
	uint64_t *token = malloc(16);

	fill(token, 16);
	token[0] = r->number;
	USE(token);
}

NOINLINE static void answer(struct request *r)
{
	for (int i = 0; i < 4; i++) {
		size_t size = 16 + scramble(r->number * 4 + i) % 800;
		void *part = malloc(size);

		fill(part, size);
		free(part);
	}
}

void case_request(struct request *r)
{
	make_token(r);
	answer(r);
}
