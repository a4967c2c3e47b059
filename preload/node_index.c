/*
 * node_index: from the hash of a stack to its number, in bounded memory.
 *
 * Lock-free open addressing, one word an entry: 40 bits of the hash and the
 * number, so that whoever reads one has both.  What an entry says stays true
 * as long as the recording goes on, so one may be lost, or be there twice: the
 * stack is then written once more, under another number.
 *
 * A table is filled until it is half full, then the next, larger one.  From
 * some size on two take turns: the other one is emptied and filled next, and
 * what is found in the one that was filled before is carried over.  So stacks
 * that come again are kept, and those of code that is gone are forgotten.
 * Where much is carried over there are more stacks in use than there is room
 * for, and two larger tables take their places.
 */
#include "preload/internal.h"
#include "preload/nodes.h"
#include "preload/sys.h"

#define TABLES	    7
#define TURNING	    3 /* from here on two take turns */
#define LARGE	    5 /* and these, where those before are too small */
#define PROBES	    32
#define NUMBER_MASK 0xffffffULL

static const uint8_t table_bits[TABLES] = { 13, 15, 17, 18, 18, 21, 21 };

static struct {
	uint64_t *tables[TABLES];
	uint32_t counts[TABLES];  /* entries made */
	uint32_t carried[TABLES]; /* of them, those that came from another */
	uint32_t current;	  /* table that takes new entries */
	uint32_t busy;		  /* somebody moves on to the next one */
} index_of;

static uint64_t table_mask(uint32_t table)
{
	return ((uint64_t)1 << table_bits[table]) - 1;
}

static size_t table_size(uint32_t table)
{
	return sizeof(uint64_t) << table_bits[table];
}

/* The hash is odd, as a rule. */
static uint64_t place_of(uint64_t hash)
{
	return hash >> 1;
}

static bool same_hash(uint64_t entry, uint64_t hash)
{
	return ((entry ^ hash) & ~NUMBER_MASK) == 0 && entry;
}

static uint64_t *table_get(uint32_t table)
{
	uint64_t *slots =
		__atomic_load_n(&index_of.tables[table], __ATOMIC_ACQUIRE);
	uint64_t *none = NULL;

	if (slots)
		return slots;
	slots = shim_memory(table_size(table));
	if (slots &&
	    !__atomic_compare_exchange_n(&index_of.tables[table], &none, slots,
					 false, __ATOMIC_RELEASE,
					 __ATOMIC_ACQUIRE)) {
		shim_memory_free(slots, table_size(table));
		slots = none;
	}
	return slots;
}

static uint32_t find_in(uint32_t table, uint64_t hash)
{
	const uint64_t *slots =
		__atomic_load_n(&index_of.tables[table], __ATOMIC_ACQUIRE);
	uint64_t mask = table_mask(table), at = place_of(hash);

	if (!slots)
		return 0;
	for (uint64_t i = 0; i < PROBES; i++) {
		uint64_t entry = __atomic_load_n(&slots[(at + i) & mask],
						 __ATOMIC_ACQUIRE);

		if (same_hash(entry, hash))
			return (uint32_t)(entry & NUMBER_MASK);
		if (!entry)
			return 0;
	}
	return 0;
}

/* The table that takes turns with that one. */
static uint32_t partner(uint32_t table)
{
	return ((table - TURNING) ^ 1) + TURNING;
}

static uint32_t next_table(uint32_t table)
{
	bool small =
		table >= TURNING && table < LARGE &&
		__atomic_load_n(&index_of.carried[table], __ATOMIC_RELAXED) >
			(table_mask(table) + 1) / 8;

	if (table < TURNING)
		return table + 1;
	return small ? LARGE : partner(table);
}

/*
 * Somebody who has read the old `current` may still put an entry into the
 * table that is emptied here, or find one there: it is as true as ever.
 */
static void empty_table(uint32_t table)
{
	if (__atomic_load_n(&index_of.counts[table], __ATOMIC_RELAXED))
		sys_madvise(index_of.tables[table], table_size(table),
			    MADV_DONTNEED);
	__atomic_store_n(&index_of.counts[table], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&index_of.carried[table], 0, __ATOMIC_RELAXED);
}

/* Half full, or crowded somewhere: later entries go to the next table. */
COLD static void move_on(uint32_t from)
{
	uint32_t to = next_table(from);

	if (__atomic_exchange_n(&index_of.busy, 1, __ATOMIC_ACQUIRE))
		return;
	if (__atomic_load_n(&index_of.current, __ATOMIC_RELAXED) == from &&
	    table_get(to)) {
		empty_table(to);
		__atomic_store_n(&index_of.current, to, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&index_of.busy, 0, __ATOMIC_RELEASE);
}

/* Into @table; false: there is no room for it. */
static bool put(uint32_t table, uint64_t hash, uint32_t number)
{
	uint64_t entry = (hash & ~NUMBER_MASK) | number;
	uint64_t mask = table_mask(table), at = place_of(hash);
	uint64_t *slots = table_get(table);

	for (uint64_t i = 0; slots && i < PROBES; i++) {
		uint64_t *slot = &slots[(at + i) & mask];
		uint64_t have = __atomic_load_n(slot, __ATOMIC_RELAXED);

		if (!have &&
		    __atomic_compare_exchange_n(slot, &have, entry, false,
						__ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return __atomic_add_fetch(&index_of.counts[table], 1,
						  __ATOMIC_RELAXED) < mask / 2;
		if (same_hash(have, hash))
			return true;
	}
	return false;
}

/* Two threads may make the same node at once: the tree then has it twice. */
void node_keep(uint64_t hash, uint32_t node)
{
	uint32_t table = __atomic_load_n(&index_of.current, __ATOMIC_ACQUIRE);

	if (!put(table, hash, node))
		move_on(table);
}

uint32_t node_find(uint64_t hash)
{
	uint32_t current = __atomic_load_n(&index_of.current, __ATOMIC_ACQUIRE);
	uint32_t node = find_in(current, hash);

	for (uint32_t t = TABLES; t-- > 0 && !node;) {
		if (t == current)
			continue;
		node = find_in(t, hash);
		if (node && current >= TURNING && t == partner(current)) {
			__atomic_fetch_add(&index_of.carried[current], 1,
					   __ATOMIC_RELAXED);
			node_keep(hash, node);
		}
	}
	return node;
}

void node_index_start(void)
{
	table_get(0);
}

/* While nobody else is here. */
void node_index_forget(void)
{
	for (uint32_t t = 0; t < TABLES; t++)
		if (index_of.tables[t]) {
			index_of.counts[t] = 1;
			empty_table(t);
		}
	index_of.current = index_of.busy = 0;
}
