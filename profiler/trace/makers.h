/*
 * makers: which thread made what, of each stack.
 *
 * What a thread allocated is added up as it does so; what lives of it is
 * counted at the end, as each live block knows its thread.  There is room for
 * so many pairs of a stack and a thread; what comes later has no thread.
 *
 * Open addressing, with the sums in the table itself: an allocation touches
 * one more cache line than without.
 */
#ifndef STRANDLINE_TRACE_MAKERS_H
#define STRANDLINE_TRACE_MAKERS_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/base/vec.h"
#include "profiler/trace/weigh.h"

#define MAKERS_MAX (1u << 18)

struct fold;
struct fold_maker;

struct maker {		     /* stored as it is: no pointer, no padding */
	uint32_t stack;	     /* index in the fold + 1; 0: an empty slot */
	uint32_t thread;     /* index in the fold */
	double bytes, count; /* allocated */
};
_Static_assert(sizeof(struct maker) == 24, "stored");

struct makers {
	struct maker *slots;
	size_t mask;
	size_t count;
	VEC(struct fold_maker) out;
};

int makers_init(struct makers *m); /* 0 or -ENOMEM */
void makers_fini(struct makers *m);
/* Where the pair is, or the empty slot where it would be. */
static inline struct maker *makers_at(const struct makers *m, uint32_t stack,
				      uint32_t thread)
{
	uint64_t pair = (uint64_t)stack << 32 | thread;
	size_t i = (pair * 0x9e3779b97f4a7c15ULL) >> 32 & m->mask;

	while (m->slots[i].stack &&
	       (m->slots[i].stack != stack + 1 || m->slots[i].thread != thread))
		i = (i + 1) & m->mask;
	return &m->slots[i];
}
/* A new pair; NULL when there is no room. */
struct maker *makers_new(struct makers *m, uint32_t stack, uint32_t thread);
/* Give @f's stacks_out, which are sorted, their makers; 0 or -ENOMEM. */
int makers_finish(struct fold *f);

static inline void makers_add(struct makers *m, uint32_t stack, uint32_t thread,
			      const struct weight *w)
{
	struct maker *one = makers_at(m, stack, thread);

	if (__builtin_expect(!one->stack, 0))
		one = makers_new(m, stack, thread);
	if (!one)
		return;
	one->bytes += w->bytes;
	one->count += w->count;
}

#endif
