/*
 * Blocks go round a ring of threads: made by one, grown by the next, freed by
 * the third, while all of them are at it.
 *
 * TRUTH make calls=80000 bytes=5120000 live=0 blocks=0
 * TRUTH grow calls=80000 bytes=10240000 live=51200 blocks=400
 *
 * Each of four threads makes 20,000 blocks of 64 bytes, grows 20,000 of its
 * left neighbour to 128, and frees what that one has grown, but for the first
 * 100.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "truth.h"

#define THREADS 4
#define BLOCKS	20000
#define KEPT	100

/* [t][i]: block i that thread t made, and that it grew. */
static void *_Atomic made[THREADS][BLOCKS], *_Atomic grown[THREADS][BLOCKS];

NOINLINE static void *make(void)
{
	void *p = malloc(64);

	USE(p);
	return p;
}

NOINLINE static void *grow(void *block)
{
	void *p = realloc(block, 128);

	USE(p);
	return p;
}

static void *take(void *_Atomic *from)
{
	void *p;

	while (!(p = atomic_load(from)))
		sched_yield();
	return p;
}

static void *run(void *arg)
{
	size_t me = (size_t)arg, left = (me + THREADS - 1) % THREADS;

	for (int i = 0; i < BLOCKS; i++) {
		atomic_store(&made[me][i], make());
		atomic_store(&grown[me][i], grow(take(&made[left][i])));
		if (i >= KEPT)
			free(take(&grown[left][i]));
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	for (size_t t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, run, (void *)t);
	for (size_t t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	return 0;
}
