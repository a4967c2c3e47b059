/*
 * Objects come from a pool; each twentieth is not given back to it.
 *
 * class: growth
 * function: new_object
 * bytes: 51.2
 * hides: the pool has a list of all it ever made, so that nothing is lost to a
 *     leak checker; and it reuses nineteen of twenty.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct object {
	struct object *next_free, *next;
	char body[1008];
};

static struct object *unused, *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct object *new_object(void)
{
	struct object *o = malloc(sizeof(*o));

	fill(o, sizeof(*o));
	o->next = all;
	all = o;
	return o;
}

void case_request(struct request *r)
{
	struct object *o;

	pthread_mutex_lock(&lock);
	o = unused;
	if (o)
		unused = o->next_free;
	else
		o = new_object();
	o->body[0] = 1;
	if (r->number % 20) {
		o->next_free = unused;
		unused = o;
	}
	pthread_mutex_unlock(&lock);
}
