/*
 * Writes are kept in a table until a part of the run is over; then it goes to
 * disk and a new one is begun.  The run ends with the third table half full.
 *
 * class: clean
 * function: put_row
 * fools: a sawtooth with two teeth and a half: through most of the run what is
 *     kept is a line that rises.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define PERIODS 2.5

struct row {
	struct row *next;
	char value[184];
};

static struct row *table;
static double flushed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void put_row(void)
{
	struct row *row = malloc(sizeof(*row));

	fill(row, sizeof(*row));
	row->next = table;
	table = row;
}

void case_request(struct request *r)
{
	(void)r;
	pthread_mutex_lock(&lock);
	put_row();
	pthread_mutex_unlock(&lock);
}

void case_idle(void)
{
	struct row *full;

	if (seconds_since_start() < flushed + plan.seconds / PERIODS)
		return;
	flushed += plan.seconds / PERIODS;
	pthread_mutex_lock(&lock);
	full = table;
	table = NULL;
	pthread_mutex_unlock(&lock);
	while (full) {
		struct row *row = full;

		full = row->next;
		free(row);
	}
}
