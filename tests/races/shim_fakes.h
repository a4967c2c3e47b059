/*
 * shim_fakes: what a piece of the shim needs of the rest, so that it can be
 * raced alone.  Include it once a program.
 */
#ifndef STRANDLINE_TESTS_SHIM_FAKES_H
#define STRANDLINE_TESTS_SHIM_FAKES_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "preload/internal.h"

struct shim shim;
__thread struct thread_local_state self;

static size_t shim_fake_memory; /* bytes that are taken now */

void *shim_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	__atomic_fetch_add(&shim_fake_memory, size, __ATOMIC_RELAXED);
	return at;
}

void shim_memory_free(void *at, size_t size)
{
	munmap(at, size);
	__atomic_fetch_sub(&shim_fake_memory, size, __ATOMIC_RELAXED);
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool descriptor_ready(void)
{
	return true;
}

/* A recording file of its own for the slabs, gone with the process. */
static inline void shim_fake_file(void)
{
	char name[] = "/tmp/strandline-race.XXXXXX";

	shim.fd = mkstemp(name);
	unlink(name);
	if (shim.fd < 0 || ftruncate(shim.fd, SLAB_FILE_HEADER_SIZE) < 0)
		abort();
	shim.file = mmap(NULL, SLAB_FILE_HEADER_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED, shim.fd, 0);
	if (shim.file == MAP_FAILED)
		abort();
	shim.file->control.slabs_max = 1u << 20;
	shim.second_ticks = 1000000000;
}

#endif
