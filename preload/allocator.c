/*
 * allocator: the server's allocator in its own words, for the ledger.
 *
 * jemalloc (mallctl) and tcmalloc (MallocExtension) answer in a few us; they
 * are asked at most once a second, by a thread that has just taken a sample.
 * glibc is not asked: mallinfo2 holds the arena's lock for as long as it
 * walks the free lists (90 ms on a large heap).
 */
#include <errno.h>

#include "preload/internal.h"
#include "preload/patch.h"
#include "preload/real.h"
#include "preload/sys.h"

static int (*mallctl)(const char *, void *, size_t *, void *, size_t);
static int (*tcmalloc_property)(const char *, size_t *);
static enum slab_allocator kind;
static bool may_ask;

static bool contains(const char *text, const char *word)
{
	for (; *text; text++) {
		const char *a = text, *b = word;

		while (*b && *a == *b)
			a++, b++;
		if (!*b)
			return true;
	}
	return false;
}

/* The program's own allocator comes before the libraries'. */
static void *function(const char *name)
{
	void *own = patch_allocator_function(name);

	return own ? own : real_symbol(name);
}

void allocator_start(void)
{
	const char *object = real_object_of(real_symbol("malloc"));

	mallctl = function("mallctl");
	if (!mallctl)
		tcmalloc_property =
			function("MallocExtension_GetNumericProperty");
	may_ask = patch_allocator() == SLAB_ALLOCATOR_UNKNOWN;
	if (!may_ask)
		kind = patch_allocator();
	else if (mallctl)
		kind = SLAB_ALLOCATOR_JEMALLOC;
	else if (tcmalloc_property)
		kind = SLAB_ALLOCATOR_TCMALLOC;
	else if (contains(object, "mimalloc"))
		kind = SLAB_ALLOCATOR_MIMALLOC;
	else if (contains(object, "libc.so") || contains(object, "libc-2"))
		kind = SLAB_ALLOCATOR_GLIBC;
	else
		kind = SLAB_ALLOCATOR_OTHER;
}

static uint64_t jemalloc_value(const char *name)
{
	size_t value = 0, size = sizeof(value);

	return mallctl(name, &value, &size, NULL, 0) ? 0 : value;
}

static void ask_jemalloc(struct slab_allocator_stats *s)
{
	uint64_t epoch = 1;
	size_t size = sizeof(epoch);

	mallctl("epoch", &epoch, &size, &epoch, size);
	s->allocated = jemalloc_value("stats.allocated");
	s->active = jemalloc_value("stats.active");
	s->resident = jemalloc_value("stats.resident");
	s->retained = jemalloc_value("stats.retained");
	s->metadata = jemalloc_value("stats.metadata");
}

static uint64_t tcmalloc_value(const char *name)
{
	size_t value = 0;

	return tcmalloc_property(name, &value) ? value : 0;
}

static void ask_tcmalloc(struct slab_allocator_stats *s)
{
	uint64_t heap = tcmalloc_value("generic.heap_size");
	uint64_t unmapped = tcmalloc_value("tcmalloc.pageheap_unmapped_bytes");

	s->allocated = tcmalloc_value("generic.current_allocated_bytes");
	s->active = heap - unmapped -
		    tcmalloc_value("tcmalloc.pageheap_free_bytes");
	s->resident = heap - unmapped;
	s->retained = unmapped;
}

/*
 * About once a second, with the thread marked busy; others pass by while one
 * asks.  Our own memory is counted on the same occasion.
 */
void allocator_refresh(void)
{
	struct slab_allocator_stats *s = &shim.file->allocator;
	static uint32_t busy;
	int saved_errno;

	shim.allocator_ticks = ticks_now();
	if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		return;
	saved_errno = errno;
	__atomic_fetch_add(&s->turn, 1, __ATOMIC_ACQ_REL);
	s->allocator = kind;
	if (kind == SLAB_ALLOCATOR_JEMALLOC && mallctl && may_ask)
		ask_jemalloc(s);
	else if (kind == SLAB_ALLOCATOR_TCMALLOC && tcmalloc_property &&
		 may_ask)
		ask_tcmalloc(s);
	/* At start the program's own is not ready: its constructors are due. */
	may_ask = true;
	s->at_ns = sys_clock_ns(CLOCK_MONOTONIC);
	__atomic_fetch_add(&s->turn, 1, __ATOMIC_ACQ_REL);
	shim_memory_account();
	errno = saved_errno;
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}
