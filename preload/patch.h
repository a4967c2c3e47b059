/*
 * patch: make allocators that are linked into the program lead to the shim.
 *
 * At start, while there is one thread.  Nothing is changed before everything
 * that is needed is there; code pages are writable or executable, never both.
 * In a process that a tool has come to, with its threads running, the tool
 * writes the jumps while all stand still (wire/late.h).
 */
#ifndef STRANDLINE_PRELOAD_PATCH_H
#define STRANDLINE_PRELOAD_PATCH_H

#include <stdbool.h>

#include "profiler/wire/slab.h"

void patch_start(bool wanted);
void patch_tell(void); /* what was done, into the recording */

/* For a tool: look for allocators; the second with the loader's list at rest */
void patch_find_program(void);
void patch_find_libraries(void);
void patch_settle(bool written); /* by the tool; what patch_tell() says */

/* The program's own, where there is one; else SLAB_ALLOCATOR_UNKNOWN. */
enum slab_allocator patch_allocator(void);
/* A function of an allocator that was found, by its name without a prefix. */
void *patch_allocator_function(const char *name);

#endif
