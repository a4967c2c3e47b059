/*
 * prologue: what stands at a function's entry, and how to move it.
 *
 * A jump to somewhere within 2 GiB takes five bytes.  The instructions that
 * it replaces are written again elsewhere, with what is relative in them led
 * to the same places, and followed by a jump to the rest of the function.  A
 * call becomes a push of its return address and a jump, so that nothing ever
 * returns to here.  An endbr64 stays where it is.  Pure functions of bytes;
 * whatever might mean something else after the move is refused.
 */
#ifndef STRANDLINE_PRELOAD_PROLOGUE_H
#define STRANDLINE_PRELOAD_PROLOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/wire/record.h"

#define PROLOGUE_JUMP 5	 /* bytes of a jump */
#define PROLOGUE_ROOM 48 /* a moved prologue is never longer */

struct prologue {
	uint8_t kept;  /* bytes that stay: endbr64 */
	uint8_t moved; /* bytes after them that the jump replaces */
};

/*
 * What of the function that lies at @code, all @size bytes of it, would have
 * to move.  PATCH_DONE, or why it may not.
 */
enum wire_patch_state prologue_measure(const uint8_t *code, size_t size,
				       struct prologue *p);

/*
 * Write the prologue of the function @code, which runs at @address, as it has
 * to be at @to_address.  The bytes written; 0: a distance is too long.
 */
size_t prologue_move(const struct prologue *p, const uint8_t *code,
		     uint64_t address, uint8_t to[PROLOGUE_ROOM],
		     uint64_t to_address);

/* A jump at @address to @target; false: they lie too far apart. */
bool prologue_jump(uint8_t at[PROLOGUE_JUMP], uint64_t address,
		   uint64_t target);

#endif
