/*
 * The configuration is loaded anew nine times a run, and the one before is
 * freed when the next but one comes, as nobody may still be reading it then.
 *
 * class: clean
 * function: load_part
 * fools: each is somewhat larger than the one before up to the sixth, two
 *     stand side by side, and the first is never seen alone again.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define RELOADS 9
#define PARTS	400
#define PART	2048

struct config {
	char *parts[PARTS];
	unsigned count;
};

static struct config kept[3]; /* this one, the one before, the next */
static uint64_t loaded;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *load_part(void)
{
	char *part = malloc(PART);

	fill(part, PART);
	return part;
}

static void load(uint64_t number)
{
	struct config *next = &kept[number % 3];
	uint64_t size = number < 6 ? number : 6;

	for (unsigned i = 0; i < next->count; i++)
		free(next->parts[i]);
	next->count = 300 + 15 * (unsigned)size;
	for (unsigned i = 0; i < next->count; i++)
		next->parts[i] = load_part();
}

void case_start(void)
{
	load(loaded++);
	load(loaded++);
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	while (loaded - 2 < r->number * RELOADS / plan.requests)
		load(loaded++);
	pthread_mutex_unlock(&lock);
}
