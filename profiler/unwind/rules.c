/*
 * rules: see rules.h.
 */
#include "profiler/unwind/rules.h"

/* A key may be in any of these many slots from its own on. */
#define PROBES 4

struct slot {
	uint32_t turn; /* odd: being written; changes with every write */
	uint32_t generation;
	uint64_t key; /* 0: empty */
	uint64_t packed;
};

struct rules {
	uint64_t mask;
	struct slot at[];
};

size_t rules_size(unsigned log2_slots)
{
	return sizeof(struct rules) +
	       ((size_t)1 << log2_slots) * sizeof(struct slot);
}

struct rules *rules_init(void *zeroed_memory, unsigned log2_slots)
{
	struct rules *r = zeroed_memory;

	r->mask = ((uint64_t)1 << log2_slots) - 1;
	return r;
}

static uint64_t place(uint64_t key)
{
	return (key * 0x9e3779b97f4a7c15ULL) >> 32;
}

/*
 * The slot's contents as of one moment; false when a writer is at it.  Who
 * gets a word from a writer (acquire, pairs with the release in rules_put())
 * then sees the turn that this writer has made odd.
 */
static bool snapshot(const struct slot *slot, struct slot *out)
{
	out->turn = __atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE);
	out->generation = __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);
	out->key = __atomic_load_n(&slot->key, __ATOMIC_ACQUIRE);
	out->packed = __atomic_load_n(&slot->packed, __ATOMIC_ACQUIRE);
	return !(out->turn & 1) &&
	       out->turn == __atomic_load_n(&slot->turn, __ATOMIC_RELAXED);
}

bool rules_get(const struct rules *r, uint32_t generation, uint64_t key,
	       uint64_t *packed)
{
	uint64_t at = place(key);
	struct slot seen;

	for (unsigned i = 0; i < PROBES; i++) {
		if (!snapshot(&r->at[(at + i) & r->mask], &seen) ||
		    seen.key != key || seen.generation != generation)
			continue;
		*packed = seen.packed;
		return true;
	}
	return false;
}

/* An unused or outdated slot, else one that will be overwritten. */
static struct slot *victim(struct rules *r, uint32_t generation, uint64_t key)
{
	uint64_t at = place(key);

	for (unsigned i = 0; i < PROBES; i++) {
		struct slot *slot = &r->at[(at + i) & r->mask];

		if (__atomic_load_n(&slot->key, __ATOMIC_RELAXED) == 0 ||
		    __atomic_load_n(&slot->generation, __ATOMIC_RELAXED) !=
			    generation)
			return slot;
	}
	return &r->at[(at + (key >> 2) % PROBES) & r->mask];
}

void rules_put(struct rules *r, uint32_t generation, uint64_t key,
	       uint64_t packed)
{
	struct slot *slot = victim(r, generation, key);
	uint32_t turn = __atomic_load_n(&slot->turn, __ATOMIC_RELAXED);

	if (turn & 1 ||
	    !__atomic_compare_exchange_n(&slot->turn, &turn, turn + 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&slot->generation, generation, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->key, key, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->packed, packed, __ATOMIC_RELEASE);
	__atomic_store_n(&slot->turn, turn + 2, __ATOMIC_RELEASE);
}
