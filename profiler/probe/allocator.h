/*
 * allocator: where probes are put on the allocator that a file defines.
 */
#ifndef STRANDLINE_PROBE_ALLOCATOR_H
#define STRANDLINE_PROBE_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALLOCATOR_FUNCTIONS_MOST 96

struct allocator_function {
	uint64_t offset; /* of the place in the file */
	uint8_t kind;	 /* enum heap_kind of bpf/heap.h */
	uint8_t at, api; /* argument, enum record_api */
	bool stepped;	 /* a dear place */
	bool passes_new; /* realloc(NULL, size) is another function's */
};

/*
 * The functions by which @file hands out and takes back blocks, at most
 * ALLOCATOR_FUNCTIONS_MOST of them; those that only pass on to another one are
 * left out.  How many; 0: it has no allocator.
 */
size_t allocator_functions(const char *file, struct allocator_function *out);

#endif
