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

/* What a function does; where its size and block are: struct own_shape. */
enum own_kind {
	OWN_ALLOC,   /* (.., size): a block or NULL */
	OWN_ARRAY,   /* (.., count, size): the same */
	OWN_STORE,   /* (block *, alignment, size): 0, or an error */
	OWN_TEXT,    /* (..): a block that holds a string */
	OWN_RESIZE,  /* (block, size): the block, perhaps elsewhere */
	OWN_REARRAY, /* (block, count, size): the same */
	OWN_REPLACE, /* OWN_RESIZE that frees the block when it fails */
	OWN_EXPAND,  /* (block, size): NULL, or the block, where it was */
	OWN_XALLOCX, /* (block, size, extra): the size it has now */
	OWN_RELEASE, /* (block, ..) */
	OWN_MUTED,   /* anything: an exported hook has it on record */
	OWN_NKINDS,
};

struct own_shape {
	uint8_t kind; /* enum own_kind */
	uint8_t at;   /* argument that the list above begins with */
	uint8_t api;  /* enum record_api */
};

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
