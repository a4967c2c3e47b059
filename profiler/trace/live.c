#include "profiler/trace/live.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SLOTS 1024

static size_t home(const struct live *l, uint64_t addr)
{
	uint64_t h = (addr >> 4) * 0x9e3779b97f4a7c15ULL;

	return (h >> 20) & l->mask;
}

int live_init(struct live *l)
{
	l->slots = calloc(FIRST_SLOTS, sizeof(*l->slots));
	l->mask = FIRST_SLOTS - 1;
	l->count = 0;
	return l->slots ? 0 : -ENOMEM;
}

void live_fini(struct live *l)
{
	free(l->slots);
	l->slots = NULL;
}

struct live_block *live_find(const struct live *l, uint64_t addr)
{
	for (size_t i = home(l, addr);; i = (i + 1) & l->mask) {
		if (l->slots[i].addr == addr)
			return &l->slots[i];
		if (!l->slots[i].addr)
			return NULL;
	}
}

static void put(struct live *l, const struct live_block *block)
{
	size_t i = home(l, block->addr);

	while (l->slots[i].addr)
		i = (i + 1) & l->mask;
	l->slots[i] = *block;
}

static int grow(struct live *l)
{
	struct live bigger = { .mask = l->mask * 2 + 1, .count = l->count };

	bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i <= l->mask; i++)
		if (l->slots[i].addr)
			put(&bigger, &l->slots[i]);
	free(l->slots);
	*l = bigger;
	return 0;
}

int live_add(struct live *l, const struct live_block *block)
{
	if (l->count >= l->mask - l->mask / 4 && grow(l) < 0)
		return -ENOMEM;
	put(l, block);
	l->count++;
	return 0;
}

void live_remove(struct live *l, struct live_block *block)
{
	size_t hole = (size_t)(block - l->slots), i = hole;

	l->count--;
	for (;;) {
		size_t wanted;

		i = (i + 1) & l->mask;
		if (!l->slots[i].addr)
			break;
		wanted = home(l, l->slots[i].addr);
		if (((i - wanted) & l->mask) < ((i - hole) & l->mask))
			continue; /* it would move before its home */
		l->slots[hole] = l->slots[i];
		hole = i;
	}
	l->slots[hole].addr = 0;
}
