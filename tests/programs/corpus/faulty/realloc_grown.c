/*
 * A journal in one block, made larger by realloc, is never cut.
 *
 * class: growth
 * function: reserve
 * bytes: 48
 * hides: there is only ever one block of it, and it is always young: each
 *     realloc is an allocation and a release, so that allocations and releases
 *     balance.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define ENTRY 48
#define STEP  64

static char *journal;
static size_t count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void reserve(size_t size)
{
	journal = realloc(journal, size);
	if (!journal)
		give_up("out of memory");
}

void case_request(struct request *r)
{
	(void)r;
	pthread_mutex_lock(&lock);
	if (count % STEP == 0)
		reserve((count + STEP) * ENTRY);
	fill(journal + count++ * ENTRY, ENTRY);
	pthread_mutex_unlock(&lock);
}
