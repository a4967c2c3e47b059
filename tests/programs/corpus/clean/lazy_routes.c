/*
 * Forty routes, each with a table that its first request builds.
 *
 * class: clean
 * function: build_table
 * fools: popular routes come at once, the rarest after more than half of the
 *     run: a staircase of equal steps, ever further apart, of which none is
 *     ever taken back.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define ROUTES 40
#define TABLE  98304

static char *tables[ROUTES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *build_table(void)
{
	char *t = malloc(TABLE);

	fill(t, TABLE);
	return t;
}

/* Route n is asked for first after a share of the run that doubles every
 * sixth route, the last of them at 55 % of it. */
static unsigned first_routes(uint64_t number)
{
	double when = 0.55 * (double)plan.requests;
	unsigned routes = ROUTES;

	while (routes > 1 && (double)number < when) {
		when /= 1.122;
		routes--;
	}
	return routes;
}

void case_request(struct request *r)
{
	unsigned routes = first_routes(r->number);
	unsigned route = scramble(r->number) % 8
				 ? scramble(r->number) / 8 % routes
				 : routes - 1;

	pthread_mutex_lock(&lock);
	if (!tables[route])
		tables[route] = build_table();
	pthread_mutex_unlock(&lock);
}
