/*
 * Each request has an arena of chunks, which go back to a pool and never to
 * malloc.
 *
 * class: clean
 * function: new_chunk
 * fools: chunks are never freed.  Requests differ in need by a factor of
 *     sixty, so that the pool still grows now and then when a worse
 *     coincidence of large ones comes than any before.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define CHUNK 16384

struct chunk {
	struct chunk *next;
	char body[CHUNK - sizeof(struct chunk *)];
};

static struct chunk *pool;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct chunk *new_chunk(void)
{
	struct chunk *c = malloc(sizeof(*c));

	fill(c, sizeof(*c));
	return c;
}

static struct chunk *take(void)
{
	struct chunk *c;

	pthread_mutex_lock(&lock);
	c = pool;
	if (c)
		pool = c->next;
	pthread_mutex_unlock(&lock);
	return c ? c : new_chunk();
}

static void give_back(struct chunk *c)
{
	pthread_mutex_lock(&lock);
	while (c) {
		struct chunk *next = c->next;

		c->next = pool;
		pool = c;
		c = next;
	}
	pthread_mutex_unlock(&lock);
}

/* One request in two hundred needs up to 64 chunks, the others one to four. */
static unsigned need(uint64_t number)
{
	uint64_t dice = scramble(number);

	return dice % 200 ? 1 + dice / 200 % 4 : 1 + dice / 200 % 64;
}

void case_request(struct request *r)
{
	struct chunk *arena = NULL;

	for (unsigned i = need(r->number); i; i--) {
		struct chunk *c = take();

		c->body[0] = 1;
		c->next = arena;
		arena = c;
	}
	give_back(arena);
}
