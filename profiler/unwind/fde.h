/*
 * fde: find the .eh_frame entry (FDE) that covers a pc, and decode it.
 *
 * Through .eh_frame_hdr's sorted table; without one, or with one that is not
 * in order, by reading all of .eh_frame.  Freestanding.
 */
#ifndef STRANDLINE_UNWIND_FDE_H
#define STRANDLINE_UNWIND_FDE_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/image.h"

struct fde {
	uint64_t start, end;	       /* pcs covered */
	uint64_t common, common_end;   /* the CIE's instructions */
	uint64_t program, program_end; /* its own */
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_register;
	bool signal; /* 'S': a signal's frame; its caller's pc is exact */
};

/* False: no entry covers @pc. */
bool fde_find(const struct image *image, uint64_t pc, struct fde *out);

/*
 * Go through all of them: start with *@at = fde_first(), which is 0 when there
 * are none.  False at the end; unreadable entries are passed over.
 */
uint64_t fde_first(const struct image *image);
bool fde_next(const struct image *image, uint64_t *at, struct fde *out);

#endif
