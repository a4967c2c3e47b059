/*
 * A program that brings its own malloc and exports it, as one with a static
 * allocator does.  What it returns must be what its allocator returned: it
 * checks that itself, and exits with 0 when all is well.
 *
 * There is no TRUTH here: its calls do not reach an interposed library.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "truth.h"

static _Alignas(64) char arena[512 << 20];
static size_t used;

void *malloc(size_t size)
{
	size_t at = __atomic_fetch_add(&used, (size + 127) & ~(size_t)63,
				       __ATOMIC_RELAXED);

	if (size > sizeof(arena) || at + size + 64 > sizeof(arena))
		return NULL;
	memcpy(arena + at, &size, sizeof(size));
	return arena + at + 64;
}

void free(void *p)
{
	USE(p);
}

void *calloc(size_t count, size_t size)
{
	return malloc(count * size); /* never used twice, so still zero */
}

void *realloc(void *old, size_t size)
{
	void *p = malloc(size);
	size_t before;

	if (old && p) {
		memcpy(&before, (char *)old - 64, sizeof(before));
		memcpy(p, old, before < size ? before : size);
	}
	return p;
}

static bool mine(const void *p)
{
	return (const char *)p >= arena &&
	       (const char *)p < arena + sizeof(arena);
}

int main(void)
{
	char *copy = strdup("strandline");

	for (int i = 0; i < 10000; i++) {
		char *p = malloc((size_t)i);

		if (!mine(p))
			return 1;
		p = realloc(p, 2 * (size_t)i + 1);
		if (!mine(p))
			return 2;
		free(p);
	}
	/* libc's own blocks come from here too. */
	return mine(copy) && strcmp(copy, "strandline") == 0 ? 0 : 3;
}
