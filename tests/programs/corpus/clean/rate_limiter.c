/*
 * Each client that was ever seen has a bucket of tokens.
 *
 * class: clean
 * function: new_bucket
 * fools: there are 3,000 clients, some of which come once in ten thousand
 *     requests: new ones turn up to the end of the run, seldomer and seldomer.
 */
#include "tests/programs/corpus/corpus.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define CLIENTS 3000

struct bucket {
	uint64_t tokens, last;
	char name[240];
};

static struct bucket *buckets[CLIENTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct bucket *new_bucket(void)
{
	struct bucket *b = malloc(sizeof(*b));

	fill(b, sizeof(*b));
	b->tokens = 0;
	return b;
}

/* By Zipf's law: the k-th comes as often as 1 / k. */
static unsigned client(uint64_t number)
{
	double u = (double)(scramble(number) >> 11) / 9007199254740992.0;

	return (unsigned)(pow(CLIENTS, u)) % CLIENTS;
}

void case_request(struct request *r)
{
	struct bucket **b = &buckets[client(r->number)];

	pthread_mutex_lock(&lock);
	if (!*b)
		*b = new_bucket();
	(*b)->tokens++;
	pthread_mutex_unlock(&lock);
}
