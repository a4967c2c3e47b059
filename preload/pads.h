/*
 * pads: where a patched entry leads, and where its prologue went.
 *
 * A function's entry jumps to its pad, near enough for that; the pad leads to
 * the hook and says which slot is meant; the moved prologue stands behind it.
 */
#ifndef STRANDLINE_PRELOAD_PADS_H
#define STRANDLINE_PRELOAD_PADS_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/own.h"
#include "preload/prologue.h"

/*
 * A function to be led to its hook.  One to be muted is not changed for that;
 * it stands behind the others, of which it may be one.
 */
struct pads_entry {
	uint64_t address;
	struct prologue prologue;
	struct own_shape shape;
	bool careful;	      /* by way of own_careful */
	const void *original; /* out: how to call it from now on */
};

/*
 * All of them, or none: PATCH_DONE, or why not.  They are of the object whose
 * file is @path.  @later: all but the jumps, which a tool is to write.
 */
enum wire_patch_state pads_redirect(struct pads_entry *entries, unsigned count,
				    const char *path, bool later);
/* What is to be written later, of all objects. */
struct late_code;
const struct late_code *pads_later(unsigned *count);
/* Take back what a tool wrote; by the only thread that there is. */
void pads_restore(void);

#endif
