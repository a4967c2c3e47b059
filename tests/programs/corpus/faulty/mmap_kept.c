/*
 * Each fiftieth request maps 64 KiB of scratch space and leaves it.
 *
 * class: mappings
 * function: map_scratch
 * bytes: 1310.72
 * hides: the heap does not know of it; the kernel joins neighbours, so that
 *     there is one mapping that grows; the other requests map and unmap.
 */
#include "tests/programs/corpus/corpus.h"

#include <sys/mman.h>

#define SIZE 65536

NOINLINE static char *map_scratch(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		give_up("cannot map");
	fill(p, SIZE);
	return p;
}

void case_request(struct request *r)
{
	if (r->number % 10 == 0) {
		char *p = map_scratch();

		if (r->number % 50)
			munmap(p, SIZE);
	}
}
