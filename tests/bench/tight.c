/*
 * tight: what a profiler adds to the fastest malloc and free there are, a loop
 * of nothing else (64 bytes: the thread cache answers every time).
 *
 *   tight [PAIRS [SIZE]]
 *
 * Prints the nanoseconds a pair takes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run(uint64_t pairs, size_t size)
{
	for (uint64_t i = 0; i < pairs; i++) {
		void *block = malloc(size);

		/* Seen by the outside, or the pair is optimised away. */
		__asm__ volatile("" : "+r"(block) : : "memory");
		free(block);
	}
}

int main(int argc, char **argv)
{
	uint64_t pairs = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000000;
	size_t size = argc > 2 ? strtoull(argv[2], NULL, 10) : 64;
	double since_ns;

	run(pairs / 10 + 1, size);
	since_ns = now_ns();
	run(pairs, size);
	printf("%.3f\n", (now_ns() - since_ns) / (double)(pairs ? pairs : 1));
	return 0;
}
