/*
 * sys: the shim's kernel calls with the mappings made through libc, where
 * ThreadSanitizer sees that a new mapping is not the one that was there.
 */
#ifndef STRANDLINE_TESTS_FAKE_SYS_H
#define STRANDLINE_TESTS_FAKE_SYS_H

#include_next "preload/sys.h"

static inline void *libc_mmap(size_t size, int prot, int flags, int fd,
			      long offset)
{
	void *at = mmap(NULL, size, prot, flags, fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

#define sys_mmap	     libc_mmap
#define sys_munmap(at, size) munmap(at, size)

#endif
