/*
 * Each tenth request is computed by a thread of its own, which is joined.
 *
 * class: clean
 * function: start_job|compute
 * fools: thousands of threads start and end, libc keeps some of their stacks
 *     for the next ones, and the last arena that a thread used stays behind.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

static void *compute(void *arg)
{
	size_t size = 4096 + scramble((uint64_t)(uintptr_t)arg) % 65536;
	char *result = malloc(size);

	fill(result, size);
	return result;
}

NOINLINE static void start_job(uint64_t number)
{
	pthread_t thread;
	void *result;

	if (pthread_create(&thread, NULL, compute, (void *)number) != 0)
		give_up("cannot start a thread");
	pthread_join(thread, &result);
	free(result);
}

void case_request(struct request *r)
{
	if (r->number % 10 == 0)
		start_job(r->number);
}
