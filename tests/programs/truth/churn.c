/*
 * 5,000 threads that live for a moment, eight at a time.
 *
 * TRUTH work calls=50000 bytes=3200000 live=320000 blocks=5000
 * TRUTH at_exit calls=5000 bytes=200000 live=0 blocks=0
 *
 * Each makes ten blocks of 64 and frees nine; a destructor of thread-specific
 * data makes and frees one of 40 when the thread is already leaving.
 */
#include <pthread.h>
#include <stdlib.h>

#include "truth.h"

#define TOGETHER 8
#define THREADS	 5000

static void *kept[THREADS];
static pthread_key_t key;

NOINLINE static void *work(void)
{
	void *p[10];

	for (int i = 0; i < 10; i++) {
		p[i] = malloc(64);
		USE(p[i]);
	}
	for (int i = 0; i < 9; i++)
		free(p[i]);
	return p[9];
}

NOINLINE static void at_exit(void *arg)
{
	void *p = malloc(40);

	USE(arg);
	free(p);
}

static void *run(void *arg)
{
	pthread_setspecific(key, arg);
	*(void **)arg = work();
	return NULL;
}

int main(void)
{
	pthread_t threads[TOGETHER];

	pthread_key_create(&key, at_exit);
	for (int i = 0; i < THREADS; i += TOGETHER) {
		for (int t = 0; t < TOGETHER; t++)
			pthread_create(&threads[t], NULL, run, &kept[i + t]);
		for (int t = 0; t < TOGETHER; t++)
			pthread_join(threads[t], NULL);
	}
	return 0;
}
