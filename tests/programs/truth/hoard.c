/*
 * Holds many blocks and makes many more: what a digest has to carry, and what
 * has to be digested meanwhile.
 *
 *	truth_hoard HELD MILLISECONDS PAIRS
 *
 * Fills HELD blocks (of 16 to 79 bytes), then makes PAIRS pairs of calls before
 * each of MILLISECONDS' pauses: one in ten puts a new block in the place of a
 *held one, the others make one of 100 bytes that dies at once.  Prints, for
 *each of hold and churn, calls, bytes, live bytes, and blocks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "truth.h"

struct sum {
	unsigned long calls, bytes, live, blocks;
} held_sum, churned;

static void **held;
static unsigned char *sizes;

NOINLINE static void hold(size_t i, size_t size)
{
	held[i] = malloc(size);
	sizes[i] = (unsigned char)size;
	held_sum.calls++;
	held_sum.bytes += size;
	held_sum.live += size;
	held_sum.blocks++;
}

static void drop(size_t i)
{
	free(held[i]);
	held_sum.live -= sizes[i];
	held_sum.blocks--;
}

NOINLINE static void churn(void)
{
	void *p = malloc(100);

	USE(p);
	free(p);
	churned.calls++;
	churned.bytes += 100;
}

/* Never less: who was held up does not make up for it by a burst. */
static void pause_ms(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
}

static void print(const char *name, const struct sum *s)
{
	printf("%s calls=%lu bytes=%lu live=%lu blocks=%lu\n", name, s->calls,
	       s->bytes, s->live, s->blocks);
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
	long milliseconds = argc > 2 ? atol(argv[2]) : 100;
	long pairs = argc > 3 ? atol(argv[3]) : 100;
	unsigned random = 1;

	held = calloc(count, sizeof(*held));
	sizes = calloc(count, 1);
	for (size_t i = 0; i < count; i++) {
		hold(i, 16 + i % 64);
		if (i % 1000 == 999) /* a million a second */
			pause_ms();
	}
	for (long ms = 0; ms < milliseconds; ms++) {
		for (long i = 0; i < pairs; i++) {
			random = random * 1664525 + 1013904223;
			if (i % 10) {
				churn();
			} else {
				drop(random / 16 % count);
				hold(random / 16 % count, 16 + random % 64);
			}
		}
		pause_ms();
	}
	print("hold", &held_sum);
	print("churn", &churned);
	return 0;
}
