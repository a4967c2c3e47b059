/*
 * memory: the pages the shim takes for itself, and how many are really there.
 *
 * Tables are reserved larger than they get, so what counts is what is
 * resident; mincore says so for a few us a MiB, about once a second.  A region
 * beyond the list's end is counted in full.
 */
#include "preload/internal.h"
#include "preload/sys.h"
#include "profiler/wire/reach.h"

#define MAX_REGIONS 1024
#define PAGE	    4096u
#define ASK_PAGES   4096u

static struct {
	struct reach_region at[MAX_REGIONS]; /* `at` last, release */
	uint32_t count;
	uint64_t unlisted; /* bytes */
} regions;

void *shim_memory(size_t size)
{
	uint32_t index;
	void *at;

	size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
	at = sys_mmap(size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!at)
		return NULL;
	/* PR_SET_VMA_ANON_NAME, Linux 5.17; without it, just nameless */
	sys6(SYS_prctl, 0x53564d41, 0, (long)at, (long)size, (long)"strandline",
	     0);
	index = __atomic_fetch_add(&regions.count, 1, __ATOMIC_RELAXED);
	if (index < MAX_REGIONS) {
		regions.at[index].size = size;
		__atomic_store_n(&regions.at[index].at, (uint64_t)at,
				 __ATOMIC_RELEASE);
	} else {
		__atomic_fetch_add(&regions.unlisted, size, __ATOMIC_RELAXED);
	}
	return at;
}

/* A region that another thread made unnecessary. */
void shim_memory_free(void *at, size_t size)
{
	for (uint32_t i = 0; i < MAX_REGIONS && i < regions.count; i++)
		if (regions.at[i].at == (uint64_t)at)
			regions.at[i].at = 0;
	sys_munmap(at, (size + PAGE - 1) & ~(size_t)(PAGE - 1));
}

void shim_memory_forget(void)
{
	for (uint32_t i = 0; i < MAX_REGIONS && i < regions.count; i++) {
		uint64_t at = regions.at[i].at, size = regions.at[i].size;
		uint64_t kept = size == SHIM_STATE_SIZE ? SHIM_STATE_KEPT : 0;

		if (at && size > PAGE) /* a page of its own is fork.c's */
			sys_madvise((void *)(at + kept), size - kept,
				    MADV_DONTNEED);
	}
}

static uint64_t resident_pages(void *at, size_t size)
{
	static unsigned char answer[ASK_PAGES]; /* one caller at a time */
	uint64_t pages = 0;

	for (size_t done = 0; done < size; done += ASK_PAGES * PAGE) {
		size_t some = size - done < ASK_PAGES * PAGE ? size - done
							     : ASK_PAGES * PAGE;

		if (sys3(SYS_mincore, (long)at + (long)done, (long)some,
			 (long)answer) < 0)
			continue;
		for (size_t i = 0; i < some / PAGE; i++)
			pages += answer[i] & 1;
	}
	return pages;
}

/* Called by one thread at a time (allocator_refresh). */
void shim_memory_account(void)
{
	uint32_t count = __atomic_load_n(&regions.count, __ATOMIC_RELAXED);
	uint64_t pages = 0;

	for (uint32_t i = 0; i < MAX_REGIONS && i < count; i++) {
		uint64_t at =
			__atomic_load_n(&regions.at[i].at, __ATOMIC_ACQUIRE);

		if (at)
			pages += resident_pages((void *)at, regions.at[i].size);
	}
	__atomic_store_n(&shim.file->stats.self_bytes,
			 pages * PAGE + regions.unlisted, __ATOMIC_RELAXED);
}

/* Whoever looks for what the server refers to leaves these out. */
void shim_memory_tell(struct slab_entry *entry)
{
	entry->regions = (uint64_t)regions.at;
	entry->region_count = MAX_REGIONS;
}
