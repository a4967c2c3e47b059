/*
 * The same journal, each time made larger by a quarter.
 *
 * class: growth
 * function: reserve
 * hides: a staircase whose steps are ever further apart, as the one of a hash
 *     table that has nearly all its keys; the last third may have one step.
 * argued: no bytes are stated, for its room is between 48 bytes a request and
 *     60.  What tells it from a table that fills: the steps come after equal
 *     ratios of the requests, and each is higher than the last.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define ENTRY 48

static char *journal;
static size_t count, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void reserve(size_t entries)
{
	journal = realloc(journal, entries * ENTRY);
	if (!journal)
		give_up("out of memory");
	room = entries;
}

void case_request(struct request *r)
{
	(void)r;
	pthread_mutex_lock(&lock);
	if (count == room)
		reserve(room + room / 4 + 16);
	fill(journal + count++ * ENTRY, ENTRY);
	pthread_mutex_unlock(&lock);
}
