/*
 * A collector with two generations: garbage that is young is freed often,
 * what lived through that only in four great collections a run.
 *
 * class: clean
 * function: make_object
 * fools: between two great ones the small ones look as if they were the lower
 *     edge of the sawtooth, and that edge rises in a straight line.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct object {
	struct object *next;
	char body[248];
};

static struct object *young, *old;
static uint64_t young_count, old_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct object *make_object(void)
{
	struct object *o = malloc(sizeof(*o));

	fill(o, sizeof(*o));
	return o;
}

/* One in three of the young is promoted. */
static void collect_young(void)
{
	while (young) {
		struct object *o = young;

		young = o->next;
		if (young_count-- % 3) {
			free(o);
			continue;
		}
		o->next = old;
		old = o;
		old_count++;
	}
	young_count = 0;
}

static void collect_old(void)
{
	while (old) {
		struct object *o = old;

		old = o->next;
		free(o);
	}
	old_count = 0;
}

void case_request(struct request *r)
{
	struct object *o = make_object();

	(void)r;
	pthread_mutex_lock(&lock);
	o->next = young;
	young = o;
	if (++young_count >= plan.requests / 100 + 1)
		collect_young();
	if (old_count >= plan.requests / 3 * 2 / 9)
		collect_old();
	pthread_mutex_unlock(&lock);
}
