#include "profiler/trace/live.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_BITS 10

int live_init(struct live *l)
{
	l->slots = calloc((size_t)1 << FIRST_BITS, sizeof(*l->slots));
	l->mask = ((size_t)1 << FIRST_BITS) - 1;
	l->shift = 64 - FIRST_BITS;
	l->count = 0;
	return l->slots ? 0 : -ENOMEM;
}

void live_fini(struct live *l)
{
	free(l->slots);
	l->slots = NULL;
}

int live_grow(struct live *l)
{
	struct live bigger = { .mask = l->mask * 2 + 1, .shift = l->shift - 1 };

	bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i <= l->mask; i++)
		if (l->slots[i].addr)
			live_add(&bigger, &l->slots[i]);
	free(l->slots);
	*l = bigger;
	return 0;
}

int live_reserve(struct live *l, uint64_t count)
{
	while (count >= (l->mask >> 3) * 5)
		if (live_grow(l) < 0)
			return -ENOMEM;
	return 0;
}

void live_remove(struct live *l, struct live_block *block)
{
	size_t hole = (size_t)(block - l->slots), i = hole;

	l->count--;
	for (;;) {
		size_t home;

		i = (i + 1) & l->mask;
		if (!l->slots[i].addr)
			break;
		home = live_home(l, l->slots[i].addr);
		if (((i - home) & l->mask) < ((i - hole) & l->mask))
			continue; /* it would move before its home */
		l->slots[hole] = l->slots[i];
		hole = i;
	}
	l->slots[hole].addr = 0;
}
