/*
 * Stacks as deep as are kept, and deeper.
 *
 * TRUTH shallow calls=100 bytes=1000 live=1000 blocks=100
 * TRUTH deepest calls=2 bytes=222 live=222 blocks=2
 *
 * deepest() stands below 1,000 frames of descend(), and below 5,000; the second
 * stack is cut at 1,024 frames, and marked.
 */
#include <stdlib.h>

#include "truth.h"

static void *kept[102];

NOINLINE static void shallow(void)
{
	for (int i = 0; i < 100; i++)
		kept[i] = malloc(10);
}

NOINLINE static void deepest(int which)
{
	kept[which] = malloc(111);
}

NOINLINE static void descend(int frames, int which)
{
	if (frames)
		descend(frames - 1, which);
	else
		deepest(which);
	USE(&frames); /* no tail call */
}

int main(void)
{
	shallow();
	descend(1000, 100);
	descend(5000, 101);
	return 0;
}
