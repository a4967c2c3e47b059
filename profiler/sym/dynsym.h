/*
 * dynsym: where an ELF file has the exported symbols of given names, data or
 * code.
 */
#ifndef STRANDLINE_SYM_DYNSYM_H
#define STRANDLINE_SYM_DYNSYM_H

#include <stddef.h>
#include <stdint.h>

struct err;

/*
 * The vaddr of each of @names that @file exports, into @vaddrs; 0 for others.
 * How many were found, or -errno with a sentence.  Opens and closes the file.
 */
int dynsym_find(const char *file, const char *const *names, size_t count,
		uint64_t *vaddrs, struct err *err);

#endif
