/*
 * Every request is noted in a list that is only ever appended to.
 *
 * class: growth
 * function: note
 * bytes: 64
 * hides: it is one list, reachable from a global, and its blocks are equal to
 *     those that a second list of the last thousand requests holds.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
	struct entry *next;
	uint64_t number;
	char what[48];
};

static struct entry *history;
static void *recent[1024];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void note(uint64_t number)
{
	struct entry *e = malloc(sizeof(*e));

	fill(e, sizeof(*e));
	e->number = number;
	e->next = history;
	history = e;
}

NOINLINE static void remember(uint64_t number)
{
	free(recent[number % 1024]);
	recent[number % 1024] = malloc(64);
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	note(r->number);
	remember(r->number);
	pthread_mutex_unlock(&lock);
}
