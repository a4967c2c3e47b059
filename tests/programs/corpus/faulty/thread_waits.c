/*
 * Each hundredth request starts a thread that waits for what never comes.
 *
 * class: threads
 * also: growth leak mappings
 * function: start_watcher
 * things: 0.01
 * hides: the stacks are small and hardly touched: 600 threads are 10 MB.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <unistd.h>

static void *watch(void *arg)
{
	for (;;)
		pause();
	return arg;
}

NOINLINE static void start_watcher(void)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	if (pthread_create(&thread, &small, watch, NULL) != 0)
		give_up("cannot start a thread");
	pthread_attr_destroy(&small);
	pthread_detach(thread);
}

void case_request(struct request *r)
{
	if (r->number % 100 == 0)
		start_watcher();
}
