/*
 * Records are rewritten in a new form when they are first used.
 *
 * class: clean
 * function: rewrite
 * fools: what the new form takes grows in a straight line for four fifths of
 *     the run, and none of it is freed.  The old form goes in step: the whole
 *     stays as it is.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 256
#define ROOM   65536

static char *records[ROOM];
static uint64_t count, rewritten;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void case_start(void)
{
	count = plan.requests / 4 < ROOM ? plan.requests / 4 : ROOM;
	for (uint64_t i = 0; i < count; i++) {
		records[i] = malloc(RECORD);
		fill(records[i], RECORD);
	}
}

NOINLINE static void rewrite(uint64_t i)
{
	char *new = malloc(RECORD);

	fill(new, RECORD);
	free(records[i]);
	records[i] = new;
}

/* They are used one after the other, the last at four fifths. */
void case_request(struct request *r)
{
	uint64_t due = r->number * 5 / 4 * count / plan.requests;

	pthread_mutex_lock(&lock);
	while (rewritten < due && rewritten < count)
		rewrite(rewritten++);
	pthread_mutex_unlock(&lock);
}
