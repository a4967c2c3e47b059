/*
 * The heap of libc, grown by one function after the other and given back from
 * its end: what was grown last goes first.
 *
 * first() and second() each hold 64 blocks of 100,000 bytes, which are too
 * small to be mapped each by itself; brief() holds as much, and gives it back
 * before last() looks.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/truth/truth.h"

#define BLOCKS 64
#define SIZE   100000

static void *left[3][BLOCKS];

NOINLINE static void first(void)
{
	for (int i = 0; i < BLOCKS; i++)
		left[0][i] = malloc(SIZE);
}

NOINLINE static void second(void)
{
	for (int i = 0; i < BLOCKS; i++)
		left[1][i] = malloc(SIZE);
}

NOINLINE static void brief(void)
{
	for (int i = 0; i < BLOCKS; i++)
		left[2][i] = malloc(SIZE);
	for (int i = BLOCKS; i-- > 0;)
		free(left[2][i]);
}

NOINLINE static void last(void)
{
	USE(malloc(10));
}

int main(void)
{
	static const char done[] = "done\n";

	first();
	second();
	brief();
	last();
	return write(1, done, sizeof(done) - 1) == sizeof(done) - 1 ? 23 : 2;
}
