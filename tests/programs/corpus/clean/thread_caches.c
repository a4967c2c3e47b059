/*
 * What is freed is kept by size, in a cache for each of eight workers.
 *
 * class: clean
 * function: new_buffer
 * fools: buffers are made at random sizes and released in bursts, so that the
 *     lists of the caches fill at different times and ever more slowly, each
 *     up to its limit; what was freed by the program is not free to malloc.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define WORKERS 8
#define SIZES	24
#define KEPT	32

struct buffer {
	struct buffer *next;
};

struct cache {
	struct buffer *first;
	unsigned count;
};

static struct cache caches[WORKERS][SIZES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct buffer *new_buffer(size_t size)
{
	struct buffer *b = malloc(size);

	fill(b, size);
	return b;
}

static struct buffer *take(struct cache *c, unsigned class)
{
	struct buffer *b = c[class].first;

	if (!b)
		return new_buffer((class + 1) * 256);
	c[class].first = b->next;
	c[class].count--;
	return b;
}

static void give_back(struct cache *c, unsigned class, struct buffer *b)
{
	if (c[class].count == KEPT) {
		free(b);
		return;
	}
	b->next = c[class].first;
	c[class].first = b;
	c[class].count++;
}

/* Most requests need a few buffers of a size at once, some rather many.  The
 * workers take turns here: the threads would not, as the load has it. */
void case_request(struct request *r)
{
	struct cache *mine = caches[r->number % WORKERS];
	uint64_t dice = scramble(r->number);
	unsigned class = dice % SIZES;
	unsigned count = dice / 1024 % 16 ? 1 + dice / 16384 % 6 : 48;
	struct buffer *taken[48];

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < count; i++)
		taken[i] = take(mine, class);
	for (unsigned i = 0; i < count; i++)
		give_back(mine, class, taken[i]);
	pthread_mutex_unlock(&lock);
}
