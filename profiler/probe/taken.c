/*
 * taken: which addresses of a process hold the pages that stacks are charged
 * with.
 *
 * By regions of 2 MiB, each a list without order: ranges that are given back
 * are mostly smaller than one or many times as large.
 */
#include "profiler/probe/taken.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"

#define REGION_SHIFT 21

struct region {
	VEC(struct taken_charge) charges;
};

struct taken {
	struct hash *places; /* region's number -> index */
	VEC(struct region) regions;
	size_t count;
};

struct taken *taken_new(void)
{
	struct taken *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->places = hash_new();
	if (!p->places) {
		free(p);
		return NULL;
	}
	return p;
}

void taken_free(struct taken *p)
{
	struct region *r;

	if (!p)
		return;
	vec_foreach (&p->regions, r)
		vec_free(&r->charges);
	vec_free(&p->regions);
	hash_free(p->places);
	free(p);
}

size_t taken_count(const struct taken *p)
{
	return p->count;
}

static struct region *region_at(struct taken *p, uint64_t number)
{
	const uint64_t *place = hash_find(p->places, number);

	return place ? &p->regions.at[*place] : NULL;
}

static struct region *region_of(struct taken *p, uint64_t number)
{
	struct region *r = region_at(p, number);

	if (r)
		return r;
	r = vec_push(&p->regions);
	if (!r)
		return NULL;
	if (hash_set(p->places, number, p->regions.count - 1) == 0)
		return r;
	p->regions.count--;
	return NULL;
}

int taken_add(struct taken *p, const struct taken_charge *charge)
{
	struct region *r = region_of(p, charge->address >> REGION_SHIFT);
	struct taken_charge *slot = r ? vec_push(&r->charges) : NULL;

	if (!slot)
		return -ENOMEM;
	*slot = *charge;
	p->count++;
	return 0;
}

typedef void each_charge(void *context, const struct taken_charge *c);

static void remove_from(struct taken *p, struct region *r, uint64_t start,
			uint64_t end, each_charge *each, void *context)
{
	size_t i = 0;

	while (i < r->charges.count) {
		struct taken_charge c = r->charges.at[i];

		if (c.address < start || c.address >= end) {
			i++;
			continue;
		}
		r->charges.at[i] = r->charges.at[--r->charges.count];
		p->count--;
		each(context, &c);
	}
}

/* Either side may be the shorter walk: the range's regions, or all there are.
 */
void taken_remove(struct taken *p, uint64_t start, uint64_t end,
		  each_charge *each, void *context)
{
	uint64_t first = start >> REGION_SHIFT;
	uint64_t last = (end - 1) >> REGION_SHIFT;
	struct region *r;

	if (end <= start)
		return;
	if (last - first >= p->regions.count) {
		vec_foreach (&p->regions, r)
			remove_from(p, r, start, end, each, context);
		return;
	}
	for (uint64_t number = first; number <= last; number++) {
		r = region_at(p, number);
		if (r)
			remove_from(p, r, start, end, each, context);
	}
}

struct move {
	VEC(struct taken_charge) moved;
};

static void take_along(void *context, const struct taken_charge *c)
{
	struct move *move = context;
	struct taken_charge *slot = vec_push(&move->moved);

	if (slot) /* without memory they stay charged for ever */
		*slot = *c;
}

void taken_move(struct taken *p, uint64_t start, uint64_t end, uint64_t to)
{
	struct move move = { VEC_INIT };
	struct taken_charge *c;

	taken_remove(p, start, end, take_along, &move);
	vec_foreach (&move.moved, c) {
		c->address += to - start;
		(void)taken_add(p, c);
	}
	vec_free(&move.moved);
}
