/*
 * Every C function that makes or ends a block, and what each means.
 *
 * TRUTH by_malloc calls=3 bytes=600 live=100 blocks=1
 * TRUTH by_calloc calls=2 bytes=800 live=800 blocks=1
 * TRUTH by_realloc calls=4 bytes=1000 live=300 blocks=1
 * TRUTH by_reallocarray calls=2 bytes=480 live=0 blocks=0
 * TRUTH by_alignment calls=7 bytes=4352 live=0 blocks=0
 * TRUTH hugely calls=3 bytes=2097252 live=0 blocks=0
 * TRUTH refused calls=1 bytes=8 live=8 blocks=1
 * TRUTH nothing calls=3 bytes=0 live=0 blocks=1
 * TRUTH * calls=25 bytes=2104492 live=1208 blocks=5
 *
 * A request that fails is none: refused() makes seven of them, and its one
 * block survives the realloc that fails.  realloc to 0 ends a block.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "truth.h"

static void *left[8];
static volatile size_t too_much = PTRDIFF_MAX - 64, zero;

NOINLINE static void by_malloc(void)
{
	left[0] = malloc(100);
	free(malloc(200));
	free(malloc(300));
	free(NULL);
}

NOINLINE static void by_calloc(void)
{
	left[1] = calloc(100, 8);
	free(calloc(zero, 8));
}

NOINLINE static void by_realloc(void)
{
	void *p = realloc(NULL, 100);

	p = realloc(p, 400);
	p = realloc(p, 200);
	left[2] = realloc(p, 300);
}

NOINLINE static void by_reallocarray(void)
{
	void *p = reallocarray(NULL, 10, 16);

	free(reallocarray(p, 20, 16));
}

NOINLINE static void by_alignment(void)
{
	void *p[7];

	if (posix_memalign(&p[0], 64, 100) != 0)
		abort();
	p[1] = aligned_alloc(128, 128);
	p[2] = memalign(32, 8);
	p[3] = memalign(48, 16); /* no power of two: glibc rounds it up */
	p[4] = valloc(2000);
	p[5] = pvalloc(2000);
	p[6] = aligned_alloc(8, 100);
	for (int i = 0; i < 7; i++) {
		USE(p[i]);
		free(p[i]);
	}
}

NOINLINE static void hugely(void)
{
	void *p[3];

	if (posix_memalign(&p[0], 1 << 20, 100) != 0)
		abort();
	p[1] = aligned_alloc(1 << 24, 1 << 20);
	p[2] = memalign((size_t)1 << 30, 1 << 20);
	for (int i = 0; i < 3; i++) {
		if (!p[i] || (uintptr_t)p[i] % (1 << 20))
			abort();
		free(p[i]);
	}
}

NOINLINE static void refused(void)
{
	void *p = &p, *kept = malloc(8);

	errno = 0;
	if (malloc(too_much) || calloc(too_much, 2) ||
	    realloc(kept, too_much) || reallocarray(kept, too_much, 16) ||
	    aligned_alloc(4096, too_much) || errno != ENOMEM)
		abort();
	errno = 0;
	if (posix_memalign(&p, 3, 8) != EINVAL ||
	    posix_memalign(&p, 64, too_much) != ENOMEM || p != &p)
		abort();
	left[3] = kept;
}

NOINLINE static void nothing(void)
{
	left[4] = malloc(zero);
	free(malloc(zero));
	if (realloc(malloc(zero), zero))
		abort();
}

int main(void)
{
	by_malloc();
	by_calloc();
	by_realloc();
	by_reallocarray();
	by_alignment();
	hugely();
	refused();
	nothing();
	return 0;
}
