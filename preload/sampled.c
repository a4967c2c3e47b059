/*
 * sampled: the set of sampled live addresses, and the filter before it.
 *
 * free() asks one byte of the filter; nearly always it is 0 and that is all.
 * A hit asks the set.  Both are lock-free: the set is open addressing inside
 * neighbourhoods of 16 slots, where a removed slot may be taken again, so it
 * needs no rehashing; a full neighbourhood overflows into the next, larger
 * segment.  A filter byte counts the live samples that fall on it and sticks
 * at 255 (then it only costs a lookup).
 *
 * The filter grows with the set in two steps a second apart: first both
 * filters are counted up (and down), later the set's contents are added to
 * the new one and it takes over.  Counting an address twice is harmless: a
 * filter may say "perhaps" too often, never "no" wrongly.
 *
 * In exact mode the filter is two bytes that are always set.
 */
#include "preload/internal.h"
#include "preload/sys.h"

#define NEIGHBOURS 16
#define SEGMENTS   6
#define FILTER_MAX ((size_t)1 << 22) /* address space; touched as used */
#define EMPTY	   0u		     /* never used: a lookup may stop here */
#define REMOVED	   1u

static struct {
	uint64_t *slots[SEGMENTS]; /* 4096 * 4^k slots; set once, release */
	uint64_t live;
	struct filter next; /* counts NULL: none is being prepared */
	uint64_t next_since;
} set;

static uint32_t segment_bits(int segment)
{
	return 12 + 2 * (uint32_t)segment;
}

static uint64_t *neighbourhood(int segment, uint64_t addr)
{
	uint64_t *slots =
		__atomic_load_n(&set.slots[segment], __ATOMIC_ACQUIRE);
	uint64_t h = (addr >> 4) * 0xd6e8feb86659fd93ULL;

	if (!slots)
		return NULL;
	return slots + (h >> (64 - segment_bits(segment) + 4)) * NEIGHBOURS;
}

static bool segment_add(int segment)
{
	uint64_t *slots =
		shim_memory(sizeof(uint64_t) << segment_bits(segment));
	uint64_t *none = NULL;

	if (!slots)
		return false;
	if (!__atomic_compare_exchange_n(&set.slots[segment], &none, slots,
					 false, __ATOMIC_RELEASE,
					 __ATOMIC_RELAXED))
		sys_munmap(slots, sizeof(uint64_t) << segment_bits(segment));
	return true;
}

static void filter_count(const struct filter *f, uint64_t addr, int by)
{
	uint64_t h = (addr >> 4) * 0x9e3779b97f4a7c15ULL;
	uint8_t *at, old, new;

	if (!f->counts)
		return;
	at = &f->counts[h >> f->shift];
	old = __atomic_load_n(at, __ATOMIC_RELAXED);
	do {
		if (old == 255 || (old == 0 && by < 0))
			return;
		new = (uint8_t)(old + by);
	} while (!__atomic_compare_exchange_n(at, &old, new, true,
					      __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static bool neighbourhood_insert(uint64_t *slots, uint64_t addr)
{
	for (int i = 0; i < NEIGHBOURS; i++) {
		uint64_t was = __atomic_load_n(&slots[i], __ATOMIC_RELAXED);

		if (was > REMOVED)
			continue;
		if (__atomic_compare_exchange_n(&slots[i], &was, addr, false,
						__ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/*
 * Filter before set: another thread may free the block only after malloc has
 * returned it, by when both are in place.
 */
bool sampled_insert(uint64_t addr)
{
	filter_count(&shim.filter, addr, 1);
	filter_count(&set.next, addr, 1);
	for (int k = 0; k < SEGMENTS; k++) {
		uint64_t *slots = neighbourhood(k, addr);

		if (!slots && segment_add(k))
			slots = neighbourhood(k, addr);
		if (slots && neighbourhood_insert(slots, addr)) {
			__atomic_fetch_add(&set.live, 1, __ATOMIC_RELAXED);
			return true;
		}
	}
	filter_count(&shim.filter, addr, -1);
	filter_count(&set.next, addr, -1);
	return false;
}

bool sampled_remove(uint64_t addr)
{
	for (int k = 0; k < SEGMENTS; k++) {
		uint64_t *slots = neighbourhood(k, addr);

		if (!slots)
			break;
		for (int i = 0; i < NEIGHBOURS; i++) {
			uint64_t was =
				__atomic_load_n(&slots[i], __ATOMIC_ACQUIRE);

			if (was == EMPTY)
				break;
			if (was != addr ||
			    !__atomic_compare_exchange_n(&slots[i], &was,
							 REMOVED, false,
							 __ATOMIC_RELAXED,
							 __ATOMIC_RELAXED))
				continue;
			__atomic_fetch_sub(&set.live, 1, __ATOMIC_RELAXED);
			filter_count(&shim.filter, addr, -1);
			filter_count(&set.next, addr, -1);
			return true;
		}
	}
	return false;
}

static void filter_prepare(uint64_t ticks)
{
	uint32_t bits = 64 - shim.filter.shift + 2;
	uint8_t *counts = shim_memory(FILTER_MAX);

	if (!counts)
		return;
	set.next.shift = 64 - bits;
	__atomic_store_n(&set.next.counts, counts, __ATOMIC_RELEASE);
	set.next_since = ticks;
}

static void filter_take_over(void)
{
	for (int k = 0; k < SEGMENTS && set.slots[k]; k++)
		for (size_t i = 0; i < (size_t)1 << segment_bits(k); i++)
			if (set.slots[k][i] > REMOVED)
				filter_count(&set.next, set.slots[k][i], 1);
	/*
	 * free() loads the two words separately.  Every array has FILTER_MAX
	 * bytes of address space, so a mix of old and new stays inside; for
	 * those few ns it can miss a release, which the reader mends when the
	 * address is next allocated.
	 */
	__atomic_store_n(&shim.filter.counts, set.next.counts,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&shim.filter.shift, set.next.shift, __ATOMIC_RELEASE);
	set.next.counts = NULL;
}

/* Called with each sample: cheap unless the filter is due to grow. */
void sampled_maintain(void)
{
	static uint32_t busy; /* one thread at a time, the others pass by */
	uint64_t room = (uint64_t)1 << (64 - shim.filter.shift);
	uint64_t ticks;

	if (likely(!set.next.counts && set.live < room / 4))
		return;
	if (shim.mode == SLAB_MODE_EXACT || shim.filter.shift <= 64 - 22)
		return;
	if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		return;
	ticks = ticks_now();
	if (!set.next.counts && set.live >= room / 4)
		filter_prepare(ticks);
	else if (set.next.counts && ticks - set.next_since > shim.second_ticks)
		filter_take_over();
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

/* 4 KiB of the filter to begin with: it stays in the L1 cache. */
void sampled_start(void)
{
	static uint8_t always[2] = { 1, 1 };
	uint8_t *counts;

	if (shim.mode == SLAB_MODE_EXACT) {
		shim.filter = (struct filter) { always, 63 };
		return;
	}
	counts = shim_memory(FILTER_MAX);
	if (counts)
		shim.filter = (struct filter) { counts, 64 - 12 };
}

/* In a forked child, where the parent's samples are not ours. */
void sampled_clear(void)
{
	for (int k = 0; k < SEGMENTS; k++)
		if (set.slots[k])
			sys_madvise(set.slots[k],
				    sizeof(uint64_t) << segment_bits(k),
				    MADV_DONTNEED);
	set.live = 0;
	set.next.counts = NULL;
	if (shim.mode == SLAB_MODE_SAMPLE)
		for (uint64_t i = 0;
		     i < (uint64_t)1 << (64 - shim.filter.shift); i++)
			shim.filter.counts[i] = 0;
}
