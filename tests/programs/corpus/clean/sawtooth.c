/*
 * Garbage piles up until a collector frees it all, eleven times a run.
 *
 * class: clean
 * function: make_object
 * fools: most of the time the heap grows in a straight line, and the run
 *     ends in the middle of a tooth.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct object {
	struct object *next;
	char body[504];
};

static struct object *garbage;
static uint64_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct object *make_object(void)
{
	struct object *o = malloc(sizeof(*o));

	fill(o, sizeof(*o));
	return o;
}

NOINLINE static void collect(void)
{
	while (garbage) {
		struct object *o = garbage;

		garbage = o->next;
		free(o);
	}
	count = 0;
}

void case_request(struct request *r)
{
	struct object *o = make_object();

	(void)r;
	pthread_mutex_lock(&lock);
	o->next = garbage;
	garbage = o;
	if (++count >= plan.requests * 2 / 23)
		collect();
	pthread_mutex_unlock(&lock);
}
