/*
 * got: the slots by which modules call functions, led to the hooks of a shim
 * that came late, and put back when it leaves.
 *
 * A slot is changed only while it holds what the function's name means for
 * the whole program, or the module's own stub that has yet to look it up;
 * what is bound to anything else (a name space of its own, a plugin's own
 * allocator) is left alone.  It is put back only while it holds what we put
 * there.  Modules are read through the kernel, as in modules.c: no lock of
 * the loader's is taken, and one that is unloaded meanwhile is no fault.
 *
 * The pages that the loader has made read-only become writable for the moment
 * of a store; those that it still writes to are not touched that way.
 *
 * One thread at a time; got_patch() passes by where another is at it.
 */
#ifndef STRANDLINE_PRELOAD_GOT_H
#define STRANDLINE_PRELOAD_GOT_H

#include <stdbool.h>
#include <stdint.h>

struct got_counts {
	uint32_t slots;	  /* changed */
	uint32_t refused; /* the kernel would not let us */
};

/* Look the functions up: once, with the loader's list at rest. */
void got_start(void);
/* All modules; those that were seen twice are passed by. */
void got_patch(struct got_counts *counts);
/* A module has come or gone since the last look. */
bool got_stale(void);
/* Every slot as it was; it can be patched again. */
void got_restore(void);
void got_fork_child(void);
/* A name that leads elsewhere than to the hook of that name. */
void got_lead(const char *name, const void *to);

#endif
