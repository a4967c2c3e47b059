/*
 * hooks: the functions the server calls instead of the real ones.
 *
 * Contract with the server: same result, same errno, no blocking, no
 * allocation.  An event that cannot be recorded under that contract is
 * dropped and counted, never waited for.
 *
 * Order: an allocation is recorded after the real call, a release before it.
 * The moment the real free returns, another thread may own the address; the
 * recording must never show one address live twice.
 *
 * Until the first call has looked the real functions up, `real` points at
 * the starters below, so the hot path need not ask.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload/internal.h"
#include "preload/interpreter.h"
#include "preload/real.h"
#include "preload/tls.h"

/*
 * It seems to be due: asked again when it has succeeded, since to get there
 * the thread may have had to begin.
 */
static __attribute__((noinline)) void *due_malloc(size_t size)
{
	void *p;

	sample_not_due(size);
	p = real.malloc(size);
	if (likely(p) && sample_due(size))
		return alloc_slow(p, size, API_MALLOC);
	return p;
}

static __attribute__((noinline)) void *due_calloc(size_t count, size_t size)
{
	void *p;

	sample_not_due(count * size);
	p = real.calloc(count, size);
	if (likely(p) && sample_due(count * size))
		return alloc_slow(p, count * size, API_CALLOC);
	return p;
}

/* No address space is as large: it is refused, and costs no credit. */
static inline bool is_absurd(size_t size)
{
	return unlikely(size >> 56);
}

/* Tail calls: nothing is saved, and nothing returned through. */
EXPORT void *malloc(size_t size)
{
	if (!is_absurd(size) && sample_due(size))
		return due_malloc(size);
	return real.malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
	if (!is_absurd(count * size) && sample_due(count * size))
		return due_calloc(count, size);
	return real.calloc(count, size);
}

EXPORT void free(void *p)
{
	if (unlikely(filter_hit(p)))
		record_release(p);
	real.free(p);
}

/*
 * The old block's release goes on record first; a failed realloc takes it
 * back.  realloc(p, 0) that answers NULL has freed (glibc).
 */
EXPORT void *realloc(void *old, size_t size)
{
	bool recorded = old && filter_hit(old) && record_release(old);
	void *p = real.realloc(old, size);

	if (likely(p)) {
		if (sample_due(size))
			return alloc_slow(p, size, API_REALLOC);
	} else if (recorded && size) {
		record_unrelease(old);
	}
	return p;
}

EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	if (unlikely(real.own_realloc))
		return real.own_realloc(old, bytes);
	return realloc(old, bytes);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
	int rc = real.posix_memalign(out, alignment, size);

	if (rc == 0 && *out && sample_due(size))
		alloc_slow(*out, size, API_ALIGNED);
	return rc;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	void *p = real.aligned_alloc(alignment, size);

	if (likely(p) && sample_due(size))
		return alloc_slow(p, size, API_ALIGNED);
	return p;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	void *p = real.memalign(alignment, size);

	if (likely(p) && sample_due(size))
		return alloc_slow(p, size, API_ALIGNED);
	return p;
}

EXPORT void *valloc(size_t size)
{
	void *p = real.valloc(size);

	if (likely(p) && sample_due(size))
		return alloc_slow(p, size, API_ALIGNED);
	return p;
}

EXPORT void *pvalloc(size_t size)
{
	void *p = real.pvalloc(size);

	if (likely(p) && sample_due(size))
		return alloc_slow(p, size, API_ALIGNED);
	return p;
}

/* The one that the program frees with: its own comes before ours. */
static void free_of_program(void *p)
{
	if (unlikely(real.own_free))
		real.own_free(p);
	else
		free(p);
}

/* C23; a libc that lacks them is served by free(). */
EXPORT void free_sized(void *p, size_t size)
{
	(void)size;
	free_of_program(p);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
	(void)alignment;
	(void)size;
	free_of_program(p);
}

EXPORT void *mmap(void *at, size_t size, int prot, int flags, int fd,
		  off_t offset)
{
	void *p = real.mmap(at, size, prot, flags, fd, offset);

	if (p != MAP_FAILED && (flags & MAP_ANONYMOUS) && shim.on)
		map_slow(p, size, 0);
	return p;
}

EXPORT void *mmap64(void *at, size_t size, int prot, int flags, int fd,
		    off_t offset) __attribute__((alias("mmap")));

EXPORT int munmap(void *at, size_t size)
{
	if (shim.on)
		record_unmap(at, size);
	return real.munmap(at, size);
}

EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	void *to = NULL, *p;
	va_list args;

	va_start(args, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(args, void *);
	va_end(args);
	p = real.mremap(old, old_size, size, flags, to);
	if (p != MAP_FAILED && shim.on) {
		record_unmap(old, old_size);
		map_slow(p, size, 0);
	}
	return p;
}

/* Custom allocators grow the heap with these; libc's own does it inside. */
EXPORT void *sbrk(intptr_t by)
{
	void *p = real.sbrk(by);

	if (p != (void *)-1 && by && shim.on)
		brk_slow(p, (size_t)by, 0);
	return p;
}

/* Addresses may mean other code afterwards; see modules.c. */
EXPORT int dlclose(void *handle)
{
	int rc, saved_errno;
	bool counted;

	if (unlikely(!real.dlclose))
		real_late();
	counted = interpreter_closing();
	rc = real.dlclose(handle);
	saved_errno = errno;
	interpreter_closed(counted);
	real_forget_late();
	tls_forget();
	if (shim.on)
		modules_invalidate();
	errno = saved_errno;
	return rc;
}
