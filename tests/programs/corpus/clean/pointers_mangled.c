/*
 * A ring of records whose addresses are kept mixed with a key, as libc keeps
 * the functions it calls.  It is full from the start; each request replaces
 * the oldest.
 *
 * class: clean
 * function: replace_record
 * fools: no word of memory is the address of a record, so that a scan takes
 *     all of them for lost; and what one line makes grows by each request
 *     until the ring has gone round, which the run does not come to.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define RECORD 96
#define KEY    0x9e3779b97f4a7c15ULL

static uint64_t *ring;
static size_t room, next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static uint64_t first_record(void)
{
	void *record = malloc(RECORD);

	fill(record, RECORD);
	return (uintptr_t)record ^ KEY;
}

NOINLINE static uint64_t replace_record(uint64_t oldest)
{
	void *record;

	free((void *)(uintptr_t)(oldest ^ KEY));
	record = malloc(RECORD);
	fill(record, RECORD);
	return (uintptr_t)record ^ KEY;
}

void case_start(void)
{
	room = plan.requests + plan.requests / 4;
	ring = calloc(room, sizeof(*ring));
	for (size_t i = 0; i < room; i++)
		ring[i] = first_record();
}

void case_request(struct request *r)
{
	(void)r;
	pthread_mutex_lock(&lock);
	ring[next] = replace_record(ring[next]);
	next = (next + 1) % room;
	pthread_mutex_unlock(&lock);
}
