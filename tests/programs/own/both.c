/*
 * An allocator's library by two names of each function: malloc, which is
 * interposed, and PREFIX malloc, which may be the same code.
 *
 * TRUTH plain calls=1500 bytes=150000 live=50000 blocks=500
 * TRUTH named calls=1500 bytes=150000 live=50000 blocks=500
 * TRUTH crossed calls=2000 bytes=64000 live=0 blocks=0
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/truth/truth.h"

#define PASTE2(a, b) a##b
#define PASTE(a, b)  PASTE2(a, b)
#define NAME(name)   PASTE(PREFIX, name)

void *NAME(malloc)(size_t size);
void *NAME(calloc)(size_t count, size_t size);
void *NAME(realloc)(void *p, size_t size);
void NAME(free)(void *p);

static void *left[2][500];

NOINLINE static void plain(void)
{
	for (int i = 0; i < 500; i++) {
		left[0][i] = malloc(100);
		free(realloc(calloc(10, 10), 100));
	}
}

NOINLINE static void named(void)
{
	for (int i = 0; i < 500; i++) {
		left[1][i] = NAME(malloc)(100);
		NAME(free)(NAME(realloc)(NAME(calloc)(10, 10), 100));
	}
}

NOINLINE static void crossed(void)
{
	for (int i = 0; i < 1000; i++) {
		free(NAME(malloc)(32));
		NAME(free)(malloc(32));
	}
}

int main(void)
{
	static const char done[] = "done\n";

	plain();
	named();
	crossed();
	return write(1, done, sizeof(done) - 1) == sizeof(done) - 1 ? 23 : 2;
}
