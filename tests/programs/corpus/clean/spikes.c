/*
 * Now and then a report of some 40 MiB is made in one block, and dropped.
 *
 * class: clean
 * function: make_report
 * fools: most of what the server ever allocates is in a dozen blocks; two
 *     fifths of the time there is one, at the end of the run as well.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

static char *report;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Above 32 MiB malloc always maps, and unmaps what is freed. */
NOINLINE static char *make_report(uint64_t turn)
{
	size_t size = (33 << 20) + scramble(turn) % (16 << 20);
	char *r = malloc(size);

	fill(r, size);
	return r;
}

void case_request(struct request *r)
{
	uint64_t period = plan.requests * 10 / 87 + 1, at = r->number % period;

	pthread_mutex_lock(&lock);
	if (at == period / 2)
		report = make_report(r->number);
	if (at == period * 9 / 10) {
		free(report);
		report = NULL;
	}
	pthread_mutex_unlock(&lock);
}
