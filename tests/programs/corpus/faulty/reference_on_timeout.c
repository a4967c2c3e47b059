/*
 * One request in a hundred times out, and the reference of whoever waited is
 * not given back.
 *
 * class: leak
 * function: new_buffer
 * bytes: 40.96
 * hides: all other buffers are counted right, a hundred times as many.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdbool.h>
#include <stdlib.h>

struct buffer {
	unsigned references;
	char bytes[4092];
};

NOINLINE static struct buffer *new_buffer(void)
{
	struct buffer *b = malloc(sizeof(*b));

	fill(b, sizeof(*b));
	b->references = 2; /* who fills it, and who waits for it */
	return b;
}

static void put_buffer(struct buffer *b)
{
	if (--b->references == 0)
		free(b);
}

void case_request(struct request *r)
{
	struct buffer *b = new_buffer();
	bool late = r->number % 100 == scramble(r->number / 100) % 100;

	put_buffer(b);
	if (!late)
		put_buffer(b);
	USE(b);
}
