/*
 * hash: linear probing over a power of two of 16-byte slots.
 *
 * Key 0 marks an empty slot; the entry whose key is 0 lives beside the slots.
 * At most 5/8 full: an absent key is then found missing after about four
 * neighbouring slots, which is two cache lines.
 */
#include "profiler/base/hash.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16

struct slot {
	uint64_t key;
	uint64_t value;
};

struct hash {
	struct slot *slots;
	size_t mask; /* capacity - 1 */
	size_t used; /* slots taken; key 0 is not among them */
	uint64_t zero_value;
	bool has_zero;
};

struct hash *hash_new(void)
{
	struct hash *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->slots = calloc(FIRST_CAPACITY, sizeof(*h->slots));
	if (!h->slots) {
		free(h);
		return NULL;
	}
	h->mask = FIRST_CAPACITY - 1;
	return h;
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	free(h->slots);
	free(h);
}

size_t hash_count(const struct hash *h)
{
	return h->used + h->has_zero;
}

/* The slot holding @key, or the empty one where it would go. */
static struct slot *probe(const struct hash *h, uint64_t key)
{
	size_t i = hash_mix(key) & h->mask;

	while (h->slots[i].key != key && h->slots[i].key != 0)
		i = (i + 1) & h->mask;
	return &h->slots[i];
}

uint64_t *hash_find(const struct hash *h, uint64_t key)
{
	struct slot *s;

	if (key == 0) /* a pointer like any other: the map is not const */
		return h->has_zero ? (uint64_t *)&h->zero_value : NULL;
	s = probe(h, key);
	return s->key == key ? &s->value : NULL;
}

static int grow(struct hash *h)
{
	struct hash bigger = { .mask = h->mask * 2 + 1 };

	bigger.slots = calloc(bigger.mask + 1, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i <= h->mask; i++)
		if (h->slots[i].key != 0)
			*probe(&bigger, h->slots[i].key) = h->slots[i];
	free(h->slots);
	h->slots = bigger.slots;
	h->mask = bigger.mask;
	return 0;
}

int hash_set(struct hash *h, uint64_t key, uint64_t value)
{
	struct slot *s;

	if (key == 0) {
		h->has_zero = true;
		h->zero_value = value;
		return 0;
	}
	s = probe(h, key);
	if (s->key == 0) {
		if ((h->used + 1) * 8 > (h->mask + 1) * 5) {
			if (grow(h) < 0)
				return -ENOMEM;
			s = probe(h, key);
		}
		s->key = key;
		h->used++;
	}
	s->value = value;
	return 0;
}

/*
 * Close the gap at @hole: pull back each entry of the run that follows unless
 * its home lies cyclically after the hole, where a probe would miss it.
 */
static void close_gap(struct hash *h, size_t hole)
{
	size_t i = hole, home;

	for (;;) {
		i = (i + 1) & h->mask;
		if (h->slots[i].key == 0)
			break;
		home = hash_mix(h->slots[i].key) & h->mask;
		if (((i - home) & h->mask) < ((i - hole) & h->mask))
			continue;
		h->slots[hole] = h->slots[i];
		hole = i;
	}
	h->slots[hole].key = 0;
}

static bool remove_zero(struct hash *h, uint64_t *value)
{
	if (!h->has_zero)
		return false;
	if (value)
		*value = h->zero_value;
	h->has_zero = false;
	return true;
}

bool hash_remove(struct hash *h, uint64_t key, uint64_t *value)
{
	struct slot *s;

	if (key == 0)
		return remove_zero(h, value);
	s = probe(h, key);
	if (s->key != key)
		return false;
	if (value)
		*value = s->value;
	close_gap(h, (size_t)(s - h->slots));
	h->used--;
	return true;
}

bool hash_next(const struct hash *h, size_t *pos, uint64_t *key,
	       uint64_t *value)
{
	/* Position 0 is the entry of key 0, position n is slot n - 1. */
	if (*pos == 0) {
		*pos = 1;
		if (h->has_zero) {
			*key = 0;
			*value = h->zero_value;
			return true;
		}
	}
	for (; *pos <= h->mask + 1; ++*pos) {
		const struct slot *s = &h->slots[*pos - 1];

		if (s->key == 0)
			continue;
		*key = s->key;
		*value = s->value;
		++*pos;
		return true;
	}
	return false;
}
