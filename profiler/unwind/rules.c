#include "profiler/unwind/rules.h"

struct rule_slot {
	uint64_t check; /* pc ^ packed */
	uint64_t packed;
};

struct rules {
	unsigned shift;
	unsigned pad;
	struct rule_slot slots[];
};

size_t rules_size(unsigned log2_slots)
{
	return sizeof(struct rules) + (sizeof(struct rule_slot) << log2_slots);
}

struct rules *rules_init(void *zeroed_memory, unsigned log2_slots)
{
	struct rules *r = zeroed_memory;

	r->shift = 64 - log2_slots;
	return r;
}

static uint64_t slot_of(const struct rules *r, uint64_t pc)
{
	return (pc * 0x9e3779b97f4a7c15ULL) >> r->shift;
}

bool rules_get(const struct rules *r, uint64_t pc, uint64_t *packed)
{
	const struct rule_slot *s = &r->slots[slot_of(r, pc)];
	uint64_t value = __atomic_load_n(&s->packed, __ATOMIC_RELAXED);

	if ((__atomic_load_n(&s->check, __ATOMIC_RELAXED) ^ value) != pc)
		return false;
	*packed = value;
	return value != 0;
}

void rules_put(struct rules *r, uint64_t pc, uint64_t packed)
{
	struct rule_slot *s = &r->slots[slot_of(r, pc)];

	__atomic_store_n(&s->packed, packed, __ATOMIC_RELAXED);
	__atomic_store_n(&s->check, pc ^ packed, __ATOMIC_RELAXED);
}
