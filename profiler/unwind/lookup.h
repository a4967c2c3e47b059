/*
 * lookup: from a pc to its rule: this thread's cache, then the one all
 * threads share, then the module's .eh_frame.
 *
 * A key is the pc of a frame as struct stack_frame has it: one more than the
 * address whose rule is wanted.  Private to stack.c.
 */
#ifndef STRANDLINE_UNWIND_LOOKUP_H
#define STRANDLINE_UNWIND_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/cfi.h"
#include "profiler/unwind/image.h"
#include "profiler/unwind/rules.h"
#include "profiler/unwind/stack.h"

/* 16 KiB a thread at most; a server's hot call sites are a few hundred. */
#define LOOKUP_BITS 10

struct lookup {
	const struct unwind_modules *modules;
	struct rules *rules;
	uint32_t generation, count; /* of modules, when last looked at */
	struct {
		uint64_t key; /* 0: empty */
		struct cfi_rule rule;
	} cache[1 << LOOKUP_BITS];
};

/* False when rules may have changed since the last time. */
bool lookup_begin(struct lookup *l, const struct unwind_modules *modules,
		  struct rules *rules);
/* The module that covers @pc, or NULL. */
const struct unwind_module *lookup_module(const struct lookup *l, uint64_t pc);
struct image lookup_image(const struct unwind_module *m);
struct cfi_rule lookup_resolve(struct lookup *l, uint64_t key);

static inline unsigned lookup_place(uint64_t key)
{
	return (unsigned)(key ^ key >> LOOKUP_BITS) & ((1u << LOOKUP_BITS) - 1);
}

static inline struct cfi_rule lookup_rule(struct lookup *l, uint64_t key)
{
	unsigned at = lookup_place(key);

	if (__builtin_expect(l->cache[at].key == key, 1))
		return l->cache[at].rule;
	return lookup_resolve(l, key);
}

#endif
