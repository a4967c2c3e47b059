/*
 * shim_fakes: what a piece of the shim needs of the rest, so that it can be
 * raced alone.  Include it once a program.
 */
#ifndef STRANDLINE_TESTS_SHIM_FAKES_H
#define STRANDLINE_TESTS_SHIM_FAKES_H

#include <sys/mman.h>
#include <time.h>

#include "preload/internal.h"

struct shim shim;
__thread struct thread_local_state self;

void *shim_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
