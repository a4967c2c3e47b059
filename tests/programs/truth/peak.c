/*
 * The high-water mark lies in the middle: three functions, three shares.
 *
 * TRUTH first calls=100 bytes=1000000 live=100000 blocks=10 peak=1000000
 * TRUTH second calls=50 bytes=50000 live=0 blocks=0 peak=25000 brief=1
 * TRUTH third calls=80 bytes=800000 live=800000 blocks=80 peak=0
 * TRUTH * calls=230 bytes=1850000 live=900000 blocks=90 peak=1025000
 *
 * second() frees half of its blocks before the peak, so that 1,000,000 +
 * 25,000 are the most; third() begins after all but 100,000 were freed and
 * reaches 900,000 only.  The last block that is made before a row of them is
 * freed counts as brief.
 */
#include <stdlib.h>

#include "truth.h"

static void *early[100], *middle[50], *late[80];

NOINLINE static void first(void)
{
	for (int i = 0; i < 100; i++)
		early[i] = malloc(10000);
}

NOINLINE static void second(void)
{
	for (int i = 0; i < 25; i++)
		middle[i] = malloc(1000);
	for (int i = 0; i < 25; i++)
		free(middle[i]);
	for (int i = 25; i < 50; i++)
		middle[i] = malloc(1000);
}

NOINLINE static void third(void)
{
	for (int i = 0; i < 80; i++)
		late[i] = malloc(10000);
}

int main(void)
{
	second();
	first();
	for (int i = 25; i < 50; i++)
		free(middle[i]);
	for (int i = 10; i < 100; i++)
		free(early[i]);
	third();
	return 0;
}
