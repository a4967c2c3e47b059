/*
 * Truth: 200 rounds of 8 threads.  Each thread: made() 50 malloc of 48 that
 * the main thread frees after the join (crossing threads), 1 malloc of 64 for
 * a thread-specific value, freed by its destructor, late(), which makes and
 * frees 1 block of 16 more.  So:
 *
 *	made	80,000 malloc, 3,840,000 B, none live
 *	late	 1,600 malloc,    25,600 B, none live
 *	work	 1,600 malloc,   102,400 B, none live
 */
#include <pthread.h>
#include <stdlib.h>

#define NOINLINE __attribute__((noinline, noclone))
#define ROUNDS	 200
#define THREADS	 8
#define BLOCKS	 50

static pthread_key_t key;
static void *blocks[THREADS][BLOCKS];

NOINLINE static void late(void *value)
{
	free(value);
	free(malloc(16));
}

NOINLINE static void made(void **into)
{
	for (int i = 0; i < BLOCKS; i++)
		into[i] = malloc(48);
}

NOINLINE static void *work(void *into)
{
	pthread_setspecific(key, malloc(64));
	made(into);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	pthread_key_create(&key, late);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, work, blocks[i]);
		for (int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			for (int k = 0; k < BLOCKS; k++)
				free(blocks[i][k]);
		}
	}
	return 0;
}
