/*
 * pynative: see pynative.h.
 */
#include "profiler/sym/pynative.h"

#include <errno.h>
#include <stdlib.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/sym/pyheap.h"

/* Where blocks are near is told by so much memory at a time. */
#define REGION_SHIFT 20
#define STEPS	     3
#define WORDS	     24 /* of each place that are looked at */
#define PLACES_MAX   (1u << 18)

struct place {
	uint64_t at;
	uint32_t node;
	uint32_t steps; /* from the object */
};

struct pynative {
	struct pypages *pages;
	struct pytypes *types;
	struct hash *regions; /* that hold the beginning of a block */
	struct hash *seen;    /* places */
	VEC(struct place) places;
};

struct pynative *pynative_new(struct pypages *pages, struct pytypes *types,
			      const struct pyheap_block *blocks, size_t count)
{
	struct pynative *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->pages = pages;
	n->types = types;
	n->regions = hash_new();
	n->seen = hash_new();
	if (!n->regions || !n->seen)
		goto fail;
	for (size_t i = 0; i < count; i++)
		if (hash_set(n->regions, blocks[i].addr >> REGION_SHIFT, 0) < 0)
			goto fail;
	return n;
fail:
	pynative_free(n);
	return NULL;
}

void pynative_free(struct pynative *n)
{
	if (!n)
		return;
	hash_free(n->regions);
	hash_free(n->seen);
	vec_free(&n->places);
	free(n);
}

static int add(struct pynative *n, uint64_t at, uint32_t node, uint32_t steps)
{
	struct place *p;

	if (at % 8 || !hash_find(n->regions, at >> REGION_SHIFT) ||
	    n->places.count >= PLACES_MAX || hash_find(n->seen, at))
		return 0;
	p = vec_push(&n->places);
	if (!p || hash_set(n->seen, at, 0) < 0)
		return -ENOMEM;
	*p = (struct place) { at, node, steps };
	return 0;
}

int pynative_add(struct pynative *n, uint64_t at, uint32_t node)
{
	return add(n, at, node, 1);
}

int pynative_follow(struct pynative *n,
		    void (*found)(void *context, uint64_t at, uint32_t node),
		    void *context)
{
	for (size_t i = 0; i < n->places.count; i++) {
		struct place p = n->places.at[i];

		if (pytypes_of(n->types, p.at))
			continue; /* has ways of its own */
		for (unsigned w = 0; w < WORDS; w++) {
			uint64_t word;

			if (!pypages_word(n->pages, p.at + w * 8, &word))
				break;
			found(context, word, p.node);
			if (p.steps < STEPS &&
			    add(n, word, p.node, p.steps + 1) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}
