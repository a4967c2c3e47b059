#include "preload/pyarenas.h"

#include <link.h>

#include "preload/internal.h"
#include "preload/real.h"
#include "preload/sys.h"

#define MAX_ARENAS 16384 /* 16 GiB of objects; beyond it they are counted */
#define SIZES	   32	 /* of blocks: up to 512 bytes */
#define POOLS	   512	 /* looked at in a turn, each some 100 ns */

struct arena_allocator { /* PyObjectArenaAllocator */
	void *context;
	void *(*alloc)(void *context, size_t size);
	void (*free)(void *context, void *p, size_t size);
};

struct pool_header {	 /* obmalloc.c, the same from 3.9 to 3.14 */
	uint32_t blocks; /* in use; 0 also where it was never begun */
	uint32_t pad;
	uint64_t links[3];
	uint32_t arena;
	uint32_t size_index; /* blocks are 16 bytes longer for each */
};

static struct {
	void (*get)(struct arena_allocator *out);
	void (*set)(const struct arena_allocator *a);
	struct arena_allocator former;
	uint64_t *at; /* addresses, 0: a free slot; CAS */
	uint32_t end; /* slots ever used */
	uint64_t count;
	uint64_t size, pool_size; /* of an arena, of its pools */
	uint64_t random;
	struct pool_header pools[POOLS];
	struct iovec remote[POOLS];
} arenas;

static void note(uint64_t at)
{
	for (uint32_t i = 0; arenas.at && i < MAX_ARENAS; i++) {
		uint64_t none = 0;
		uint32_t end = __atomic_load_n(&arenas.end, __ATOMIC_RELAXED);

		if (__atomic_load_n(&arenas.at[i], __ATOMIC_RELAXED) ||
		    !__atomic_compare_exchange_n(&arenas.at[i], &none, at,
						 false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			continue;
		while (end <= i &&
		       !__atomic_compare_exchange_n(&arenas.end, &end, i + 1,
						    false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED))
			;
		return;
	}
}

/* Before it is given back: its address may be another's then. */
static bool forget(uint64_t at)
{
	uint32_t end = __atomic_load_n(&arenas.end, __ATOMIC_RELAXED);

	for (uint32_t i = 0; arenas.at && i < end; i++) {
		uint64_t was = at;

		if (__atomic_compare_exchange_n(&arenas.at[i], &was, 0, false,
						__ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/*
 * How many there are is told at once: whoever has taken them may rest now, and
 * nobody come by for the next look.  What share is used is as it was found;
 * until then, all.
 */
static void tell_count(uint64_t count)
{
	struct slab_python *to = shim.file ? &shim.file->python : NULL;
	uint64_t bytes = count * arenas.size, used, was;

	if (!to)
		return;
	was = __atomic_load_n(&to->arena_bytes, __ATOMIC_RELAXED);
	used = __atomic_load_n(&to->arena_used, __ATOMIC_RELAXED);
	used = was ? (uint64_t)((double)used / (double)was * (double)bytes)
		   : bytes;
	__atomic_store_n(&to->arena_bytes, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&to->arenas, count, __ATOMIC_RELAXED);
	__atomic_store_n(&to->arena_used, used, __ATOMIC_RELAXED);
}

/* Of another size are the pieces of the stack of frames (3.11 and later). */
static void *arena_alloc(void *context, size_t size)
{
	void *p;

	if (size != arenas.size)
		return arenas.former.alloc(context, size);
	self.arena = true;
	p = arenas.former.alloc(context, size);
	self.arena = false;
	if (!p)
		return p;
	tell_count(__atomic_add_fetch(&arenas.count, 1, __ATOMIC_RELAXED));
	note((uint64_t)p);
	return p;
}

static void arena_free(void *context, void *p, size_t size)
{
	if (size == arenas.size && forget((uint64_t)p))
		tell_count(
			__atomic_sub_fetch(&arenas.count, 1, __ATOMIC_RELAXED));
	arenas.former.free(context, p, size);
}

void pyarenas_find(const struct link_map *m, uint32_t version)
{
	arenas.get = real_export(m, "PyObject_GetArenaAllocator");
	arenas.set = real_export(m, "PyObject_SetArenaAllocator");
	arenas.size = version >= 0x030a ? 1 << 20 : 256 << 10;
	arenas.pool_size = version >= 0x030a ? 16 << 10 : 4 << 10;
}

void pyarenas_forget(void)
{
	for (uint32_t i = 0; arenas.at && i < arenas.end; i++)
		arenas.at[i] = 0;
	arenas.end = 0;
	arenas.count = 0;
}

void pyarenas_wrap(void)
{
	struct arena_allocator a;

	if (!arenas.at)
		arenas.at = shim_memory(MAX_ARENAS * sizeof(arenas.at[0]));
	if (!arenas.get || !arenas.set || !arenas.at)
		return;
	arenas.random = shim.seed | 1;
	arenas.get(&a);
	if (a.alloc == arena_alloc)
		return;
	arenas.former = a;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	a.alloc = arena_alloc;
	a.free = arena_free;
	arenas.set(&a);
}

void pyarenas_detach(void)
{
	struct arena_allocator a;

	if (!arenas.get || !arenas.set || !arenas.former.alloc)
		return;
	arenas.get(&a);
	if (a.alloc == arena_alloc && a.free == arena_free)
		arenas.set(&arenas.former);
}

static uint64_t random_below(uint64_t n)
{
	arenas.random ^= arenas.random << 13;
	arenas.random ^= arenas.random >> 7;
	arenas.random ^= arenas.random << 17;
	return arenas.random % n;
}

/* Pools are aligned in an arena, which need not be. */
static uint64_t pool_at(uint64_t arena, uint64_t index)
{
	uint64_t mask = arenas.pool_size - 1;

	return ((arena + mask) & ~mask) + index * arenas.pool_size;
}

static uint64_t pools_in(uint64_t arena)
{
	return (arena + arenas.size - pool_at(arena, 0)) / arenas.pool_size;
}

static uint32_t add_pool(uint32_t count, uint64_t arena, uint64_t index)
{
	arenas.remote[count] = (struct iovec) {
		(void *)pool_at(arena, index),
		sizeof(arenas.pools[0]),
	};
	return count + 1;
}

/* All pools where they are few, else some; how many. */
static uint32_t choose_pools(uint32_t end)
{
	uint32_t count = 0;

	if (arenas.count * (arenas.size / arenas.pool_size) <= POOLS) {
		for (uint32_t i = 0; i < end; i++) {
			uint64_t at = __atomic_load_n(&arenas.at[i],
						      __ATOMIC_RELAXED);

			for (uint64_t k = 0;
			     at && k < pools_in(at) && count < POOLS; k++)
				count = add_pool(count, at, k);
		}
		return count;
	}
	for (uint32_t tries = 0; tries < 2 * POOLS && count < POOLS; tries++) {
		uint64_t at = __atomic_load_n(&arenas.at[random_below(end)],
					      __ATOMIC_RELAXED);

		if (at)
			count = add_pool(count, at, random_below(pools_in(at)));
	}
	return count;
}

/*
 * The kernel reads them: another thread may unmap an arena meanwhile, and the
 * reading ends there.  How many were read.
 */
static uint32_t read_pools(uint32_t count)
{
	struct iovec local = { arenas.pools, count * sizeof(arenas.pools[0]) };
	long got = sys6(SYS_process_vm_readv, sys_getpid(), (long)&local, 1,
			(long)arenas.remote, count, 0);

	return got < 0 ? 0 : (uint32_t)((size_t)got / sizeof(arenas.pools[0]));
}

void pyarenas_account(struct slab_python *to)
{
	uint32_t end = __atomic_load_n(&arenas.end, __ATOMIC_RELAXED);
	uint64_t count = __atomic_load_n(&arenas.count, __ATOMIC_RELAXED);
	uint64_t bytes = count * arenas.size, used = 0;
	uint32_t pools;

	if (!end)
		return;
	pools = read_pools(choose_pools(end));
	for (uint32_t i = 0; i < pools; i++)
		if (arenas.pools[i].size_index < SIZES)
			used += arenas.pools[i].blocks *
				(arenas.pools[i].size_index + 1ULL) * 16;
	__atomic_store_n(&to->arena_bytes, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&to->arenas, count, __ATOMIC_RELAXED);
	if (pools)
		__atomic_store_n(&to->arena_used,
				 (uint64_t)((double)used / pools /
					    arenas.pool_size * (double)bytes),
				 __ATOMIC_RELAXED);
}
