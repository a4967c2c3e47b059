/*
 * mappings: which stack asked for each piece of mapped address space.
 */
#ifndef STRANDLINE_TRACE_MAPPINGS_H
#define STRANDLINE_TRACE_MAPPINGS_H

#include <stdint.h>

#include "profiler/base/vec.h"

struct mapping {
	uint64_t start, end; /* [start, end) */
	uint64_t stack;
};

struct mappings { /* sorted, disjoint, not empty */
	VEC(struct mapping) at;
};

/* @bytes of @stack's mappings are gone. */
typedef void mappings_gone(void *context, uint64_t stack, uint64_t bytes);

/*
 * [start, end) is mapped by @stack; what was mapped there is not any more.
 * 0 or -ENOMEM.
 */
int mappings_add(struct mappings *m, uint64_t start, uint64_t end,
		 uint64_t stack, mappings_gone *gone, void *context);
/* [start, end) is unmapped, of which any part was mapped.  0 or -ENOMEM. */
int mappings_remove(struct mappings *m, uint64_t start, uint64_t end,
		    mappings_gone *gone, void *context);

#endif
