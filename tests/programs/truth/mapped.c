/*
 * Anonymous mappings, taken down in parts.
 *
 * TRUTH whole mapped=0
 * TRUTH half mapped=1048576
 * TRUTH holes mapped=40960
 * TRUTH moved mapped=8388608
 * TRUTH * mapped=9478144
 *
 * whole() maps and unmaps 4 MiB a hundred times; half() unmaps the first half
 * of 2 MiB; holes() unmaps every other page of 20; moved() grows 1 MiB to
 * 8 MiB by mremap.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "truth.h"

#define PAGE 4096

NOINLINE static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	p[0] = 1;
	return p;
}

NOINLINE static void whole(void)
{
	for (int i = 0; i < 100; i++)
		munmap(map(4 << 20), 4 << 20);
}

NOINLINE static void half(void)
{
	munmap(map(2 << 20), 1 << 20);
}

NOINLINE static void holes(void)
{
	char *p = map(20 * PAGE);

	for (int i = 0; i < 20; i += 2)
		munmap(p + i * PAGE, PAGE);
}

NOINLINE static void moved(void)
{
	if (mremap(map(1 << 20), 1 << 20, 8 << 20, MREMAP_MAYMOVE) ==
	    MAP_FAILED)
		abort();
}

int main(void)
{
	whole();
	half();
	holes();
	moved();
	return 0;
}
