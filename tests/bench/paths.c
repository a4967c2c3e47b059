/*
 * paths: what a profiler that takes stacks costs, per malloc and free.
 *
 * Each pair frees one of 10,000 live blocks and allocates another of 16 to
 * 2,048 bytes (32 sizes), 25 frames below the thread's loop, along one of 512
 * call paths chosen at random: nine of the levels call the next one from
 * either of two places, chosen by a bit of the path's number.  Compiled with
 * -O2 -fomit-frame-pointer, so a stack needs the unwind tables.
 *
 *   paths [PAIRS [THREADS [none]]]     none: the calls without the malloc
 *
 * Prints the nanoseconds that a thread takes for a pair: wall time over pairs
 * of one thread, the same whatever the number of threads if nothing is shared.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCKS	    10000
#define PATHS	    512
#define MAX_THREADS 64

struct worker {
	uint64_t random;
	uint64_t pairs;
	double ns; /* for all of them */
	void *blocks[BLOCKS];
};

/* The workers start together, or the first would run alone for a while. */
static pthread_barrier_t all_ready;
static uint64_t (*innermost)(struct worker *w);

static inline uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

__attribute__((noipa)) static uint64_t replace_block(struct worker *w)
{
	uint64_t random = next_random(w);
	void **block = &w->blocks[random % BLOCKS];
	size_t size = 16 + ((random >> 32) % 32) * 2032 / 31;

	free(*block);
	*block = malloc(size);
	memset(*block, 1, 16);
	return size;
}

__attribute__((noipa)) static uint64_t replace_nothing(struct worker *w)
{
	return next_random(w);
}

/*
 * A level keeps its path and a frame of its own size across the call, so it
 * is neither a tail call nor merged with its neighbour; the comments tell the
 * two call sites apart, or the compiler would make them one.
 */
#define LEVEL(number, room, call)                                    \
	__attribute__((noipa)) static uint64_t level_##number(       \
		struct worker *w, unsigned path)                     \
	{                                                            \
		volatile unsigned char frame[room];                  \
		uint64_t size;                                       \
                                                                     \
		frame[room / 2] = (unsigned char)path;               \
		call;                                                \
		return size + frame[room / 2] - (unsigned char)path; \
	}
#define PLAIN(number, next, room) \
	LEVEL(number, room, size = level_##next(w, path))
#define FORK(number, next, room, bit)                             \
	LEVEL(                                                    \
		number, room,                                     \
		if (path & (1u << (bit))) {                       \
			size = level_##next(w, path);             \
			__asm__ volatile("# left" : "+r"(size));  \
		} else {                                          \
			size = level_##next(w, path);             \
			__asm__ volatile("# right" : "+r"(size)); \
		})

LEVEL(24, 16, size = innermost(w))
FORK(23, 24, 24, 8)
PLAIN(22, 23, 40)
FORK(21, 22, 8, 7)
PLAIN(20, 21, 120)
PLAIN(19, 20, 16)
FORK(18, 19, 56, 6)
PLAIN(17, 18, 24)
PLAIN(16, 17, 72)
FORK(15, 16, 8, 5)
PLAIN(14, 15, 200)
PLAIN(13, 14, 16)
FORK(12, 13, 40, 4)
PLAIN(11, 12, 24)
PLAIN(10, 11, 8)
FORK(9, 10, 104, 3)
PLAIN(8, 9, 16)
FORK(7, 8, 32, 2)
PLAIN(6, 7, 88)
PLAIN(5, 6, 8)
FORK(4, 5, 48, 1)
PLAIN(3, 4, 16)
FORK(2, 3, 24, 0)
PLAIN(1, 2, 64)

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	double since_ns;

	for (int i = 0; i < 4 * BLOCKS; i++) /* fill, and meet every path */
		level_1(w, (unsigned)(next_random(w) % PATHS));
	pthread_barrier_wait(&all_ready);
	since_ns = now_ns();
	for (uint64_t i = 0; i < w->pairs; i++)
		level_1(w, (unsigned)(next_random(w) % PATHS));
	w->ns = now_ns() - since_ns;
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t pairs = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
	unsigned threads = argc > 2 ? (unsigned)atoi(argv[2]) : 1;
	static struct worker workers[MAX_THREADS];
	pthread_t ids[MAX_THREADS];
	double ns = 0;

	if (pairs == 0 || threads == 0 || threads > MAX_THREADS) {
		fprintf(stderr, "usage: paths [PAIRS [THREADS [none]]]\n");
		return 2;
	}
	innermost = argc > 3 ? replace_nothing : replace_block;
	pthread_barrier_init(&all_ready, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		workers[i].random = 0x9E3779B97F4A7C15u * (i + 1);
		workers[i].pairs = pairs;
		if (pthread_create(&ids[i], NULL, work, &workers[i])) {
			perror("paths: cannot start a thread");
			return 1;
		}
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		ns += workers[i].ns / threads;
	}
	printf("%.2f\n", ns / (double)pairs);
	return 0;
}
