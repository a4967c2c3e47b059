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
 * the new one and it takes over.  An insertion looks again at what filters
 * there are once it is in the set, so one that a change overtakes is counted
 * in the newcomer, too.  Counting an address twice is harmless: a filter may
 * say "perhaps" too often.  It says "no" wrongly only where a removal is
 * stalled between set and filter while all of the set is copied.
 *
 * In exact mode the filter is one count, and that is set.
 */
#include "preload/internal.h"
#include "preload/sys.h"

#define NEIGHBOURS 16
#define SEGMENTS   6
#define FILTER_MAX ((size_t)1 << 22) /* address space; touched as used */
/*
 * One count in so many at most is not 0: where objects of Python are followed
 * a block is freed every few ns, and each that seems to be sampled costs a
 * search.
 */
#define SPARSE	32
#define EMPTY	0u /* never used: a lookup may stop here */
#define REMOVED 1u

static struct {
	uint64_t *slots[SEGMENTS]; /* 4096 * 4^k slots; set once, release */
	uint64_t live;
	struct filter *next; /* NULL: none is being prepared; release */
	uint64_t next_since;
	uint32_t busy; /* sampled_maintain: one thread, the others pass by */
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

/* The filters in use; `next` first, as it is emptied after it took over. */
struct filters {
	struct filter *next, *current;
};

static struct filters filters_now(void)
{
	struct filters f;

	f.next = __atomic_load_n(&set.next, __ATOMIC_ACQUIRE);
	f.current = __atomic_load_n(&shim.filter, __ATOMIC_ACQUIRE);
	return f;
}

static uint64_t filter_size(const struct filter *f)
{
	return f->mask + 1;
}

static void filter_count(struct filter *f, uint64_t addr, int by)
{
	uint8_t *at, old, new;

	if (!f)
		return;
	at = &f->counts[filter_index(f, addr)];
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

static void filters_count(struct filters f, uint64_t addr, int by)
{
	filter_count(f.current, addr, by);
	if (f.next != f.current)
		filter_count(f.next, addr, by);
}

/* Count @addr in a filter that was not there when @before was looked up. */
static void filters_catch_up(struct filters before, uint64_t addr)
{
	struct filters now = filters_now();

	if (now.next != before.next && now.next != before.current)
		filter_count(now.next, addr, 1);
	if (now.current != before.next && now.current != before.current &&
	    now.current != now.next)
		filter_count(now.current, addr, 1);
}

/*
 * Another thread may free the block only after malloc has returned it, by
 * when it is in the set and in every filter.
 */
bool sampled_insert(uint64_t addr)
{
	struct filters before = filters_now();

	filters_count(before, addr, 1);
	for (int k = 0; k < SEGMENTS; k++) {
		uint64_t *slots = neighbourhood(k, addr);

		if (!slots && segment_add(k))
			slots = neighbourhood(k, addr);
		if (slots && neighbourhood_insert(slots, addr)) {
			__atomic_fetch_add(&set.live, 1, __ATOMIC_RELAXED);
			filters_catch_up(before, addr);
			return true;
		}
	}
	filters_count(before, addr, -1);
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
			filters_count(filters_now(), addr, -1);
			return true;
		}
	}
	return false;
}

static struct filter *filter_new(void)
{
	return shim_memory(sizeof(struct filter) + FILTER_MAX);
}

static void filter_prepare(const struct filter *current, uint64_t ticks)
{
	struct filter *next = filter_new();

	if (!next)
		return;
	next->mask = filter_size(current) * 4 - 1;
	set.next_since = ticks;
	__atomic_store_n(&set.next, next, __ATOMIC_RELEASE);
}

static void filter_take_over(struct filter *next)
{
	for (int k = 0; k < SEGMENTS; k++) {
		const uint64_t *slots =
			__atomic_load_n(&set.slots[k], __ATOMIC_ACQUIRE);

		for (size_t i = 0; slots && i < (size_t)1 << segment_bits(k);
		     i++) {
			uint64_t addr =
				__atomic_load_n(&slots[i], __ATOMIC_RELAXED);

			if (addr > REMOVED)
				filter_count(next, addr, 1);
		}
	}
	/* The old array stays: a free() may be reading it. */
	__atomic_store_n(&shim.filter, next, __ATOMIC_RELEASE);
	__atomic_store_n(&set.next, NULL, __ATOMIC_RELEASE);
}

static void filter_step(uint64_t live)
{
	struct filters f = filters_now();
	uint64_t ticks = ticks_now();

	if (!f.next && live >= filter_size(f.current) / SPARSE)
		filter_prepare(f.current, ticks);
	else if (f.next && ticks - set.next_since > shim.second_ticks)
		filter_take_over(f.next);
}

/* Called with each sample: cheap unless the filter is due to grow. */
void sampled_maintain(void)
{
	uint64_t live = __atomic_load_n(&set.live, __ATOMIC_RELAXED);
	struct filters f = filters_now();

	if (likely(!f.next && live < filter_size(f.current) / SPARSE))
		return;
	if (shim.mode == SLAB_MODE_EXACT ||
	    filter_size(f.current) >= FILTER_MAX)
		return;
	if (__atomic_exchange_n(&set.busy, 1, __ATOMIC_ACQUIRE))
		return;
	filter_step(live);
	__atomic_store_n(&set.busy, 0, __ATOMIC_RELEASE);
}

/* 4 KiB of the filter to begin with: it stays in the nearest cache. */
void sampled_start(void)
{
	static struct filter always = { .counts = { 1 } };
	static struct filter *first;

	if (shim.mode == SLAB_MODE_EXACT) {
		shim.filter = &always;
		return;
	}
	if (!first)
		first = filter_new();
	if (first) {
		first->mask = 4096 - 1;
		shim.filter = first;
	}
}

/* Where the samples are not ours: in a forked child; after the end. */
void sampled_clear(void)
{
	for (int k = 0; k < SEGMENTS; k++)
		if (set.slots[k])
			sys_madvise(set.slots[k],
				    sizeof(uint64_t) << segment_bits(k),
				    MADV_DONTNEED);
	set.live = 0;
	set.next = NULL;
	set.busy = 0;
	if (shim.mode == SLAB_MODE_SAMPLE)
		for (uint64_t i = 0; i < filter_size(shim.filter); i++)
			shim.filter->counts[i] = 0;
}
