/*
 * step: from a frame to its caller by a full CFI row, with all registers.
 *
 * The slow way, for the few functions whose rule needs more than sp and bp.
 * Freestanding; the stack is read through bounds only.
 */
#ifndef STRANDLINE_UNWIND_STEP_H
#define STRANDLINE_UNWIND_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/cfi.h"
#include "profiler/unwind/stack.h"

struct step_regs {
	uint64_t at[CFI_REGISTERS];
	uint32_t known; /* bit n: register n has a value */
};

enum step_end {
	STEP_CALLER, /* regs are the caller's now */
	STEP_ROOT,   /* there is none */
	STEP_FAILED, /* cannot be known: regs are void */
};

void step_begin(struct step_regs *regs, const struct stack_regs *from);

/* By the row of regs' pc: the caller of cfi_row() knows if it was exact. */
enum step_end step_caller(const struct image *image, const struct cfi_row *row,
			  const struct stack_bounds *bounds,
			  struct step_regs *regs);

/*
 * Evaluate the expression whose size and bytes lie at @at.  With @initial, its
 * value is pushed first (the CFA, for a register's expression).
 */
bool step_expression(const struct image *image, uint64_t at,
		     const struct step_regs *regs,
		     const struct stack_bounds *bounds, const uint64_t *initial,
		     uint64_t *value);

#endif
