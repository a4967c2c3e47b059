/*
 * Rows are gathered and written out a thousand at a time.
 *
 * class: clean
 * function: gather
 * fools: a sawtooth whose teeth are grown by realloc, so that one block seems
 *     to be hundreds of allocations; faster than a window at times, slower at
 *     others.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ROW 160

static char *rows;
static size_t count, limit;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void gather(const char *row)
{
	if (count % 16 == 0)
		rows = realloc(rows, (count + 16) * ROW);
	if (!rows)
		give_up("out of memory");
	memcpy(rows + count++ * ROW, row, ROW);
}

NOINLINE static void write_out(uint64_t turn)
{
	USE(rows);
	free(rows);
	rows = NULL;
	count = 0;
	limit = 200 + scramble(turn) % (plan.requests / 12 + 1);
}

void case_start(void)
{
	limit = 1000;
}

void case_request(struct request *r)
{
	char row[ROW];

	fill(row, sizeof(row));
	pthread_mutex_lock(&lock);
	gather(row);
	if (count >= limit)
		write_out(r->number);
	pthread_mutex_unlock(&lock);
}
