/*
 * What readers may still look at is freed when all of them have moved on; a
 * third into the run one of them stops and never does.
 *
 * class: growth
 * function: new_version
 * bytes: 320
 * hides: at first as much is freed as is made, in batches; what is kept later
 *     hangs on a list that is there for a good reason.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WATCHER 0 /* a reader besides the workers */
#define READERS 9
#define BATCH	512

struct version {
	struct version *older;
	uint64_t retired; /* in which epoch */
	char text[304];
};

static _Atomic uint64_t epoch = 1;
static _Atomic uint64_t reads[READERS]; /* epoch that each was last seen in */
static struct version *current, *retired;
static unsigned waiting;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct version *new_version(void)
{
	struct version *v = malloc(sizeof(*v));

	fill(v, sizeof(*v));
	return v;
}

static uint64_t oldest_reader(void)
{
	uint64_t oldest = epoch;

	for (unsigned i = 0; i < READERS; i++)
		if (reads[i] && reads[i] < oldest)
			oldest = reads[i];
	return oldest;
}

static void reclaim(void)
{
	uint64_t oldest = oldest_reader();
	struct version **at = &retired;

	if (retired && retired->retired >= oldest && waiting > 8 * BATCH)
		return; /* nobody has moved on: do not walk it all */
	while (*at) {
		struct version *v = *at;

		if (v->retired >= oldest) {
			at = &v->older;
			continue;
		}
		*at = v->older;
		free(v);
		waiting--;
	}
}

static void publish(struct version *v)
{
	if (current) {
		current->retired = epoch;
		current->older = retired;
		retired = current;
		waiting++;
	}
	current = v;
	if (waiting % BATCH == 0) {
		epoch++;
		reclaim();
	}
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	publish(new_version());
	reads[1 + r->worker % (READERS - 1)] = 0; /* does not look any more */
	if (r->number < plan.requests / 3)
		reads[WATCHER] = epoch;
	pthread_mutex_unlock(&lock);
}
