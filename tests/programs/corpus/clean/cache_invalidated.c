/*
 * A cache is emptied twice in a run, and fills again each time.
 *
 * class: clean
 * function: load_row
 * fools: the run ends while it fills for the third time, by as much as at
 *     the start; whoever takes the first fill for warm-up finds the others.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define ROW  640
#define ROOM 32768

static char *rows[ROOM];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *load_row(void)
{
	char *row = malloc(ROW);

	fill(row, ROW);
	return row;
}

static void invalidate(void)
{
	for (int i = 0; i < ROOM; i++) {
		free(rows[i]);
		rows[i] = NULL;
	}
}

void case_request(struct request *r)
{
	uint64_t keys =
		plan.requests / 10 < ROOM ? plan.requests / 10 + 1 : ROOM;
	uint64_t key = scramble(r->number) % keys, turn = plan.requests * 2 / 5;

	pthread_mutex_lock(&lock);
	if (r->number % (turn + 1) == turn)
		invalidate();
	if (!rows[key])
		rows[key] = load_row();
	pthread_mutex_unlock(&lock);
}
