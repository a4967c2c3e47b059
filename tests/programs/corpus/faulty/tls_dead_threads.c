/*
 * Short threads keep a buffer under a key that has no destructor.
 *
 * class: leak
 * function: my_buffer
 * bytes: 81.92
 * hides: while the thread lives the buffer is in use, and what leads to it
 *     goes with the thread.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define BUFFER 4096

static pthread_key_t key;

NOINLINE static char *my_buffer(void)
{
	char *b = pthread_getspecific(key);

	if (!b) {
		b = malloc(BUFFER);
		pthread_setspecific(key, b);
	}
	return b;
}

static void *run(void *arg)
{
	fill(my_buffer(), BUFFER);
	return arg;
}

void case_start(void)
{
	if (pthread_key_create(&key, NULL) != 0)
		give_up("no key");
}

void case_request(struct request *r)
{
	pthread_t thread;

	if (r->number % 50 != 0)
		return;
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		give_up("cannot start a thread");
	pthread_join(thread, NULL);
}
