#include "profiler/trace/makers.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/trace/fold_state.h"

#define FIRST_SLOTS 1024

int makers_init(struct makers *m)
{
	*m = (struct makers) { .mask = FIRST_SLOTS - 1 };
	m->slots = calloc(FIRST_SLOTS, sizeof(*m->slots));
	return m->slots ? 0 : -ENOMEM;
}

void makers_fini(struct makers *m)
{
	free(m->slots);
	m->slots = NULL;
	vec_free(&m->out);
}

static int grow(struct makers *m)
{
	struct makers bigger = { .mask = m->mask * 2 + 1 };

	bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i <= m->mask; i++) {
		const struct maker *one = &m->slots[i];

		if (one->stack)
			*makers_at(&bigger, one->stack - 1, one->thread) = *one;
	}
	free(m->slots);
	m->slots = bigger.slots;
	m->mask = bigger.mask;
	return 0;
}

struct maker *makers_new(struct makers *m, uint32_t stack, uint32_t thread)
{
	struct maker *fresh;

	if (m->count >= MAKERS_MAX)
		return NULL;
	if (m->count >= m->mask / 2 && grow(m) < 0)
		return NULL;
	fresh = makers_at(m, stack, thread);
	*fresh = (struct maker) { .stack = stack + 1, .thread = thread };
	m->count++;
	return fresh;
}

struct living { /* of a slot */
	double bytes, count;
};

static void count_live(const struct fold *f, struct living *living)
{
	const struct live *l = &f->live;
	const struct makers *m = &f->makers;

	for (size_t i = 0; i <= l->mask; i++) {
		const struct live_block *b = &l->slots[i];
		const struct maker *one;
		struct weight w;

		if (!b->addr)
			continue;
		one = makers_at(m, b->stack, b->thread);
		w = weigh((double)b->size, b->probability);
		living[one - m->slots].bytes += w.bytes;
		living[one - m->slots].count += w.count;
	}
}

static int put_makers(struct fold *f, const struct living *living)
{
	struct makers *m = &f->makers;

	for (size_t i = 0; i <= m->mask; i++) {
		const struct maker *one = &m->slots[i];
		const struct stack *s;
		struct fold_maker *out;

		if (!one->stack)
			continue;
		s = &f->stacks.at[one->stack - 1];
		out = vec_push(&m->out);
		if (!out)
			return -ENOMEM;
		*out = (struct fold_maker) {
			.node = s->node,
			.route = s->route,
			.thread = one->thread,
			.live_bytes = living[i].bytes,
			.live_count = living[i].count,
			.allocated_bytes = one->bytes,
			.allocated_count = one->count,
		};
	}
	return 0;
}

static int by_stack(const void *a, const void *b)
{
	const struct fold_maker *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	if (x->route != y->route)
		return x->route < y->route ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

/* Both are in order of node and route. */
static void hand_over(struct fold *f)
{
	const struct fold_maker *next = f->makers.out.at;
	const struct fold_maker *end = next + f->makers.out.count;
	struct fold_stack *s;

	vec_foreach (&f->stacks_out, s) {
		s->makers = next;
		while (next < end && next->node == s->node &&
		       next->route == s->route)
			next++;
		s->maker_count = (size_t)(next - s->makers);
	}
}

int makers_finish(struct fold *f)
{
	struct makers *m = &f->makers;
	struct living *living;
	int rc;

	/* Entries of threads were used again: whose is not known. */
	if (f->threads.forgotten || !m->count)
		return 0;
	living = calloc(m->mask + 1, sizeof(*living));
	if (!living)
		return -ENOMEM;
	count_live(f, living);
	rc = put_makers(f, living);
	free(living);
	if (rc < 0)
		return rc;
	qsort(m->out.at, m->out.count, sizeof(*m->out.at), by_stack);
	hand_over(f);
	return 0;
}
