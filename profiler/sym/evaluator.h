/*
 * evaluator: code of CPython's evaluator that stands apart from it.
 *
 * Compilers split a large function; its parts have symbols of their own, which
 * a stripped program has not, and the evaluator is most of the time in one of
 * them.  A part is known by its jumps back into the middle of the function:
 * nobody else has those.  Where functions begin, .eh_frame_hdr tells.
 */
#ifndef STRANDLINE_SYM_EVALUATOR_H
#define STRANDLINE_SYM_EVALUATOR_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stdint.h>

struct evaluator;

/* NULL: the module has none that is named, or there is no memory. */
struct evaluator *evaluator_new(Dwfl_Module *module);
void evaluator_free(struct evaluator *e); /* NULL is fine */
/* Is @vaddr, which has no name, in a part of it?  False for NULL, too. */
bool evaluator_has(const struct evaluator *e, uint64_t vaddr);

#endif
