/*
 * Live blocks of every size, and churn beside them, for estimates to be held
 * against: each of these functions keeps 4 MiB, give or take a block.
 *
 * TRUTH tiny calls=262144 bytes=4194304 live=4194304 blocks=262144
 * TRUTH small calls=41943 bytes=4194300 live=4194300 blocks=41943
 * TRUTH middle calls=4096 bytes=4194304 live=4194304 blocks=4096
 * TRUTH large calls=100 bytes=4194300 live=4194300 blocks=100
 * TRUTH mixed calls=6900 bytes=4149990 live=4149990 blocks=6900
 * TRUTH replaced calls=83886 bytes=8388600 live=4194300 blocks=41943
 */
#include <stdlib.h>

#include "truth.h"

#define KEEP(name, count, size)                   \
	NOINLINE static void name(void)           \
	{                                         \
		for (int i = 0; i < (count); i++) \
			USE(malloc(size));        \
	}
KEEP(tiny, 262144, 16)
KEEP(small, 41943, 100)
KEEP(middle, 4096, 1024)
KEEP(large, 100, 41943)

/* From one byte to some 1,200. */
NOINLINE static void mixed(void)
{
	for (int i = 0; i < 6900; i++)
		USE(malloc(1 + (size_t)(i * 7) % 1211));
}

static void *slots[41943];

NOINLINE static void replaced(void)
{
	for (int i = 0; i < 2 * 41943; i++) {
		free(slots[i % 41943]);
		slots[i % 41943] = malloc(100);
	}
}

int main(void)
{
	tiny();
	small();
	middle();
	large();
	mixed();
	replaced();
	return 0;
}
