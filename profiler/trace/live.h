/*
 * live: the blocks alive at a point of the replay, by address.
 */
#ifndef STRANDLINE_TRACE_LIVE_H
#define STRANDLINE_TRACE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_block {
	uint64_t addr;
	uint64_t size;
	uint64_t ticks; /* born */
	uint32_t stack; /* index in the fold */
	int32_t tid;
	double probability; /* that it was sampled; 1 exact */
};

struct live {			  /* open addressing, backward-shift deletion */
	struct live_block *slots; /* addr 0: empty */
	size_t mask;
	size_t count;
};

int live_init(struct live *l); /* 0 or -ENOMEM */
void live_fini(struct live *l);
/* NULL when @addr is not alive. */
struct live_block *live_find(const struct live *l, uint64_t addr);
/* @block->addr must not be alive.  0 or -ENOMEM. */
int live_add(struct live *l, const struct live_block *block);
/* @block is what live_find answered. */
void live_remove(struct live *l, struct live_block *block);

#endif
