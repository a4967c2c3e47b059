/*
 * lookup: from a pc to its rule: this thread's cache, then the one all
 * threads share, then the module's .eh_frame.
 *
 * A key is the pc of a frame as struct stack_frame has it: one more than the
 * address whose rule is wanted.  Rules are packed (cfi.h).  Private to stack.c.
 */
#ifndef STRANDLINE_UNWIND_LOOKUP_H
#define STRANDLINE_UNWIND_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/cfi.h"
#include "profiler/unwind/image.h"
#include "profiler/unwind/rules.h"
#include "profiler/unwind/stack.h"

/*
 * 18 KiB a thread at most; a server's hot call sites are a few hundred.  A set
 * is a cache line; nearby code goes to different sets.
 */
#define LOOKUP_SETS 256
#define LOOKUP_WAYS 4

struct lookup {
	const struct unwind_modules *modules;
	struct rules *rules;
	uint32_t generation, count; /* of modules, when last looked at */
	struct {
		uint64_t key; /* 0: empty, and its rule is none */
		uint64_t rule;
	} cache[LOOKUP_SETS * LOOKUP_WAYS];
	/* Where in the cache the caller was, the last time it was looked up. */
	uint16_t next[LOOKUP_SETS * LOOKUP_WAYS];
};

/* False when rules may have changed since the last time. */
bool lookup_begin(struct lookup *l, const struct unwind_modules *modules,
		  struct rules *rules);
/* The module that covers @pc, or NULL. */
const struct unwind_module *lookup_module(const struct lookup *l, uint64_t pc);
struct image lookup_image(const struct unwind_module *m);
/* Puts the rule into the first way of its set. */
uint64_t lookup_resolve(struct lookup *l, uint64_t key);

/* The first way. */
static inline unsigned lookup_set(uint64_t key)
{
	return (unsigned)(key ^ key >> 8 ^ key >> 16) % LOOKUP_SETS *
	       LOOKUP_WAYS;
}

/* The way, or if there is none the first; without a branch. */
static inline unsigned lookup_place(const struct lookup *l, uint64_t key)
{
	unsigned set = lookup_set(key), at = set;

	for (unsigned way = 1; way < LOOKUP_WAYS; way++)
		at = l->cache[set + way].key == key ? set + way : at;
	return at;
}

static inline uint64_t lookup_rule(struct lookup *l, uint64_t key)
{
	unsigned at = lookup_place(l, key);

	if (__builtin_expect(l->cache[at].key == key, 1))
		return l->cache[at].rule;
	return lookup_resolve(l, key);
}

/*
 * The rule of the caller of the frame whose rule is at *@at, and where it is.
 * While the guess holds, nothing that is loaded here waits for the key, which
 * comes from the stack: the processor runs ahead of it.
 */
static inline uint64_t lookup_next(struct lookup *l, uint64_t key, unsigned *at)
{
	unsigned guess = l->next[*at];

	if (__builtin_expect(l->cache[guess].key != key, 0)) {
		guess = lookup_place(l, key);
		l->next[*at] = (uint16_t)guess;
		if (__builtin_expect(l->cache[guess].key != key, 0)) {
			*at = guess;
			return lookup_resolve(l, key);
		}
	}
	*at = guess;
	return l->cache[guess].rule;
}

#endif
