/*
 * Traffic comes and goes twice, and the run ends at the height of it.
 *
 * class: clean
 * function: open_basket
 * load: 8 x 600/s for 1/5; 8 x 2400/s for 1/5; 8 x 600/s for 1/5;
 *     8 x 1800/s for 1/5; 8 x 2400/s for 1/5
 * fools: what is held is proportional to the traffic of the last seconds: it
 *     is four times as much at the end as at the start, and does not correlate
 *     with how many requests there were.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct basket {
	struct basket *next;
	double ends;
	char items[752];
};

static struct basket *first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct basket *open_basket(double lifetime)
{
	struct basket *b = malloc(sizeof(*b));

	fill(b, sizeof(*b));
	b->next = NULL;
	b->ends = seconds_since_start() + lifetime;
	return b;
}

void case_request(struct request *r)
{
	struct basket *b = open_basket(plan.seconds / 30);

	(void)r;
	pthread_mutex_lock(&lock);
	*last = b;
	last = &b->next;
	pthread_mutex_unlock(&lock);
}

void case_idle(void)
{
	double now = seconds_since_start();

	pthread_mutex_lock(&lock);
	while (first && first->ends < now) {
		struct basket *b = first;

		first = b->next;
		if (!first)
			last = &first;
		free(b);
	}
	pthread_mutex_unlock(&lock);
}
