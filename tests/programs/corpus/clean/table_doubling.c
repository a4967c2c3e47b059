/*
 * A hash table that doubles until all keys there are have been seen.
 *
 * class: clean
 * function: resize|make_entry
 * fools: each step of the staircase is as high as all before it together, and
 *     between the steps entries come in, ever more slowly.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct entry {
	uint64_t key, hits;
};

static struct entry **slots;
static uint64_t size = 64, used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct entry **slot_of(uint64_t key)
{
	uint64_t i = scramble(key) % size;

	while (slots[i] && slots[i]->key != key)
		i = (i + 1) % size;
	return &slots[i];
}

NOINLINE static struct entry *make_entry(uint64_t key)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		give_up("out of memory");
	e->key = key;
	return e;
}

NOINLINE static void resize(void)
{
	struct entry **old = slots;
	uint64_t old_size = size;

	size *= 2;
	slots = calloc(size, sizeof(struct entry *));
	if (!slots)
		give_up("out of memory");
	for (uint64_t i = 0; i < old_size; i++) {
		if (old[i])
			*slot_of(old[i]->key) = old[i];
	}
	free(old);
}

void case_start(void)
{
	slots = calloc(size, sizeof(struct entry *));
}

void case_request(struct request *r)
{
	uint64_t keys = plan.requests / 8 + 1;
	uint64_t key = scramble(r->number + 1) % keys;
	struct entry **slot;

	pthread_mutex_lock(&lock);
	slot = slot_of(key);
	if (!*slot) {
		if (++used * 4 > size * 3) {
			resize();
			slot = slot_of(key);
		}
		*slot = make_entry(key);
	}
	(*slot)->hits++;
	pthread_mutex_unlock(&lock);
}
