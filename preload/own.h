/*
 * own: hooks for allocators that are linked into the program itself.
 *
 * Such a function cannot be interposed: its callers jump straight to it.  So
 * its entry is made to lead here (patch.c), by way of a pad that puts the
 * function's slot into the register of the sixth argument, which none of them
 * has.  One hook a kind of function serves every allocator.
 *
 * Allocators call each other: realloc calls malloc, operator new calls
 * mallocx.  Only the outermost call is an event of the program.  While it
 * runs the thread is muted: its credit is set so high that no allocation
 * inside is due, and record_release() passes by.
 */
#ifndef STRANDLINE_PRELOAD_OWN_H
#define STRANDLINE_PRELOAD_OWN_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/alloc/names.h"

typedef uintptr_t own_function(uintptr_t, uintptr_t, uintptr_t, uintptr_t,
			       uintptr_t);

#define OWN_SLOTS 160 /* mimalloc has 75 */

struct own_slot {		/* own.S knows the size and where the hook is */
	own_function *original; /* the function, past what was patched */
	const void *hook;
	struct own_shape shape;
	uint8_t pad[13];
};
_Static_assert(sizeof(struct own_slot) == 32, "own.S");
_Static_assert(__builtin_offsetof(struct own_slot, hook) == 8, "own.S");

extern struct own_slot own_slots[OWN_SLOTS]
	__attribute__((visibility("hidden")));

const void *own_hook(const struct own_shape *shape);

/*
 * In own.S: a way to a hook that leaves every register as it was, but for the
 * result.  A compiler that has seen a small allocator's code keeps values
 * where that code would not touch them, and may leave the stack misaligned.
 */
void own_careful(void);

#endif
