/*
 * live: the blocks alive at a point of the replay, by address.
 *
 * Open addressing with backward-shift deletion: no tombstones, so a replay of
 * any length stays as fast as its first second.  Two blocks share a cache
 * line and at most five slots in eight are taken, so most lookups touch one.
 * Inline because an event costs little more than this.
 */
#ifndef STRANDLINE_TRACE_LIVE_H
#define STRANDLINE_TRACE_LIVE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_block {
	uint64_t addr; /* 0: an empty slot */
	uint64_t size;
	uint32_t stack, thread; /* indices in the fold */
	uint32_t birth;		/* serial of the window it was born in */
	float probability;	/* that it was sampled; 1 exact */
};
_Static_assert(sizeof(struct live_block) == 32, "two a cache line");

struct live {
	struct live_block *slots;
	size_t mask;
	size_t count;
	unsigned shift;
};

int live_init(struct live *l); /* 0 or -ENOMEM */
void live_fini(struct live *l);
int live_grow(struct live *l); /* 0 or -ENOMEM */
/*
 * Make room for @count blocks.  Needed before blocks are added in the order of
 * another table's slots, which is that of their homes: in a small table they
 * would all crowd together, and each search would walk the whole crowd.
 */
int live_reserve(struct live *l, uint64_t count);
/* @block is what live_find answered. */
void live_remove(struct live *l, struct live_block *block);

static inline size_t live_home(const struct live *l, uint64_t addr)
{
	return (addr * 0x9e3779b97f4a7c15ULL) >> l->shift;
}

static inline void live_prefetch(const struct live *l, uint64_t addr)
{
	__builtin_prefetch(&l->slots[live_home(l, addr)]);
}

/* NULL when @addr, which is not 0, is not alive. */
static inline struct live_block *live_find(const struct live *l, uint64_t addr)
{
	for (size_t i = live_home(l, addr);; i = (i + 1) & l->mask) {
		if (l->slots[i].addr == addr)
			return &l->slots[i];
		if (!l->slots[i].addr)
			return NULL;
	}
}

/* @block->addr is neither 0 nor alive.  0 or -ENOMEM. */
static inline int live_add(struct live *l, const struct live_block *block)
{
	size_t i;

	if (l->count >= (l->mask >> 3) * 5 && live_grow(l) < 0)
		return -ENOMEM;
	i = live_home(l, block->addr);
	while (l->slots[i].addr)
		i = (i + 1) & l->mask;
	l->slots[i] = *block;
	l->count++;
	return 0;
}

#endif
