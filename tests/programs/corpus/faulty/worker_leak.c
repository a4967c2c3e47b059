/*
 * Two forked workers serve; each forgets 200 bytes a request.
 *
 * class: leak
 * function: decode
 * bytes: 200
 * hides: the process that was started allocates nothing at all.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

const struct shape shape = { 8, 2 };

NOINLINE static void decode(void)
{
	char *text = malloc(200);

	fill(text, 200);
	USE(text);
}

void case_request(struct request *r)
{
	(void)r;
	decode();
}
