/*
 * pynative: memory that extensions hold for their objects, some steps away.
 *
 * A tensor's numbers, or the vectors of an index, belong to a C++ object that
 * belongs to another to which the Python object has a pointer.  From the words
 * of Python objects that lead near recorded blocks these ways are followed,
 * breadth first, a few steps and a few words each: wherever one meets the
 * beginning of a block, that is told.
 */
#ifndef STRANDLINE_SYM_PYNATIVE_H
#define STRANDLINE_SYM_PYNATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/sym/pypages.h"
#include "profiler/sym/pytypes.h"

struct pyheap_block;
struct pynative;

/* @blocks stay the caller's.  NULL when out of memory. */
struct pynative *pynative_new(struct pypages *pages, struct pytypes *types,
			      const struct pyheap_block *blocks, size_t count);
void pynative_free(struct pynative *n); /* NULL is fine */

/* @node's object has the word @at, which is no object.  0, -ENOMEM. */
int pynative_add(struct pynative *n, uint64_t at, uint32_t node);
/* Follow all that was added; @found for each word met there.  0, -ENOMEM. */
int pynative_follow(struct pynative *n,
		    void (*found)(void *context, uint64_t at, uint32_t node),
		    void *context);

#endif
