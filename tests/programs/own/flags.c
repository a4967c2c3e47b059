/*
 * jemalloc's functions that take flags, under the names that PREFIX begins;
 * Rust's allocators call nothing else.
 *
 * TRUTH made calls=100 bytes=10000 live=0 blocks=0
 * TRUTH moved calls=2 bytes=5100 live=5000 blocks=1
 * TRUTH stretched calls=2 bytes=1124 live=1024 blocks=1
 * TRUTH unmoved calls=1 bytes=100 live=100 blocks=1
 *
 * stretched() asks xallocx for 1,024 bytes of a block that has them already,
 * being of 1,024 in truth; unmoved() for more than can be had where it is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/truth/truth.h"

#ifndef PREFIX
#define PREFIX
#endif
#define PASTE2(a, b) a##b
#define PASTE(a, b)  PASTE2(a, b)
#define NAME(name)   PASTE(PREFIX, name)
#define ALIGN_64     6 /* MALLOCX_LG_ALIGN */
#define ZERO	     0x40

void *NAME(mallocx)(size_t size, int flags);
void *NAME(rallocx)(void *p, size_t size, int flags);
size_t NAME(xallocx)(void *p, size_t size, size_t extra, int flags);
size_t NAME(sallocx)(const void *p, int flags);
void NAME(dallocx)(void *p, int flags);
void NAME(sdallocx)(void *p, size_t size, int flags);
size_t NAME(nallocx)(size_t size, int flags);

static void *left[3];

NOINLINE static void made(void)
{
	for (int i = 0; i < 100; i++) {
		char *p = NAME(mallocx)(100, ALIGN_64 | ZERO);

		if ((uintptr_t)p % 64 || p[99])
			abort();
		if (i % 2)
			NAME(dallocx)(p, 0);
		else
			NAME(sdallocx)(p, 100, ALIGN_64);
	}
}

NOINLINE static void moved(void)
{
	left[0] = NAME(rallocx)(NAME(mallocx)(100, 0), 5000, 0);
}

NOINLINE static void stretched(void)
{
	void *p = NAME(mallocx)(100, 10 /* aligned to 1,024 */);

	if (NAME(xallocx)(p, 1024, 0, 0) != 1024)
		abort();
	left[1] = p;
}

NOINLINE static void unmoved(void)
{
	void *p = NAME(mallocx)(100, 0);

	if (NAME(xallocx)(p, 1 << 20, 0, 0) >= 1 << 20)
		abort();
	left[2] = p;
}

int main(void)
{
	static const char done[] = "done\n";

	made();
	moved();
	stretched();
	unmoved();
	if (NAME(nallocx)(100, 0) < 100 || NAME(sallocx)(left[0], 0) < 5000)
		return 1;
	return write(1, done, sizeof(done) - 1) == sizeof(done) - 1 ? 23 : 2;
}
