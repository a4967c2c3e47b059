/*
 * Templates are compiled when they are first asked for.
 *
 * class: clean
 * function: compile_template
 * fools: for the first fifth of the run every second request compiles one,
 *     and none is ever given back.  A fixed time of warm-up is always either
 *     too short or too long.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define TEMPLATE 1200
#define ROOM	 65536

static char *compiled[ROOM];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *compile_template(void)
{
	char *t = malloc(TEMPLATE);

	fill(t, TEMPLATE);
	return t;
}

/* Requests come in the order of a deployment's first traffic: a template
 * that was not seen yet, one that was, and so on until all are there. */
void case_request(struct request *r)
{
	uint64_t templates = plan.requests / 10 + 1;
	uint64_t seen =
		r->number / 2 < templates ? r->number / 2 : templates - 1;
	uint64_t wanted =
		r->number % 2 ? scramble(r->number) % (seen + 1) : seen;

	pthread_mutex_lock(&lock);
	if (!compiled[wanted % ROOM])
		compiled[wanted % ROOM] = compile_template();
	pthread_mutex_unlock(&lock);
}
