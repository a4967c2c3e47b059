/*
 * Each fourth request builds its answer in an obstack and does not free it.
 *
 * class: leak
 * function: build_answer
 * bytes: 256
 * load: 8 x 1500/s
 * hides: the memory is libc's, in chunks, through a function pointer; nothing
 *     that the program calls looks as if it allocates.
 * argued: one chunk of 1,024 bytes for each fourth.
 */
#include "tests/programs/corpus/corpus.h"

#include <obstack.h>
#include <stdlib.h>

#define obstack_chunk_alloc malloc
#define obstack_chunk_free  free

NOINLINE static void build_answer(void)
{
	struct obstack stack;
	char *text;

	if (!obstack_begin(&stack, 1024))
		give_up("out of memory");
	for (int i = 0; i < 10; i++)
		obstack_grow(&stack, "0123456789abcdef", 16);
	text = obstack_finish(&stack);
	USE(text);
}

void case_request(struct request *r)
{
	if (r->number % 4 == 0)
		build_answer();
}
