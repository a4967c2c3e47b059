/*
 * Answers are kept by a key that never comes again.
 *
 * class: growth
 * function: remember
 * bytes: 240
 * hides: all of it is reachable from a global table for ever, so that leak
 *     checkers at exit are content; half of the requests find what they look
 *     for, as in a cache that works.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define BUCKETS 65536

struct entry {
	struct entry *next;
	uint64_t key;
	char answer[464];
};

static struct entry *table[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct entry *find(uint64_t key)
{
	struct entry *e = table[scramble(key) % BUCKETS];

	while (e && e->key != key)
		e = e->next;
	return e;
}

NOINLINE static void remember(uint64_t key)
{
	struct entry **bucket = &table[scramble(key) % BUCKETS];
	struct entry *e = malloc(sizeof(*e));

	fill(e, sizeof(*e));
	e->key = key;
	e->next = *bucket;
	*bucket = e;
}

/* Every second request asks for what the one before it asked. */
void case_request(struct request *r)
{
	uint64_t key = r->number / 2;

	pthread_mutex_lock(&lock);
	if (!find(key))
		remember(key);
	pthread_mutex_unlock(&lock);
}
