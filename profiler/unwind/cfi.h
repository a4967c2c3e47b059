/*
 * cfi: .eh_frame bytes and a pc -> how to find the caller.
 *
 * Two products of one interpreter.  A compact rule covers what nearly all
 * code does and needs only sp and bp; a full row covers the rest (a CFA in
 * rbx or r10, expressions) and needs all callee-saved registers.
 *
 * Freestanding.  Module memory is read in place, inside the module's
 * readable bounds; the stack only through the bounds given.  Source of the
 * format: DWARF 5 section 6.4 and the LSB's .eh_frame supplement.
 */
#ifndef STRANDLINE_UNWIND_CFI_H
#define STRANDLINE_UNWIND_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/stack.h"

enum cfi_kind {		     /* where the CFA (the caller's sp) is */
		CFI_NONE,    /* nothing known about this pc */
		CFI_SP,	     /* sp + cfa_offset */
		CFI_BP,	     /* bp + cfa_offset */
		CFI_BP_LOAD, /* *(bp + cfa_offset): realigned stacks (DRAP) */
		CFI_PLT,     /* sp + 8, or + 16 from byte 11 of the stub on */
		CFI_SIGNAL,  /* the kernel's signal frame lies at sp */
		CFI_END,     /* no caller: the return address is undefined */
		CFI_FULL,    /* use cfi_step_full() */
};

enum cfi_bp { /* the caller's bp */
	      CFI_BP_SAME,
	      CFI_BP_AT_CFA, /* *(CFA + bp_offset) */
	      CFI_BP_AT_BP,  /* *(bp + bp_offset) */
};

struct cfi_rule {
	enum cfi_kind kind;
	enum cfi_bp bp;
	int32_t cfa_offset; /* +-2^27 */
	int32_t bp_offset;  /* +-2^25 */
};

/* False: no unwind information covers @pc. */
bool cfi_rule(const struct unwind_module *m, uint64_t pc,
	      struct cfi_rule *rule);

/*
 * One word, never 0, for caches:
 * cfa_offset 27 bits | bp_offset 25 | bp 2 | kind 4, and bit 63 set.
 */
static inline uint64_t cfi_pack(const struct cfi_rule *rule)
{
	return 1ULL << 63 |
	       ((uint64_t)(uint32_t)rule->cfa_offset & 0x7ffffff) << 31 |
	       ((uint64_t)(uint32_t)rule->bp_offset & 0x1ffffff) << 6 |
	       (uint64_t)rule->bp << 4 | (uint64_t)rule->kind;
}

static inline struct cfi_rule cfi_unpack(uint64_t packed)
{
	return (struct cfi_rule) {
		.kind = (enum cfi_kind)(packed & 15),
		.bp = (enum cfi_bp)(packed >> 4 & 3),
		.cfa_offset = (int32_t)((uint32_t)(packed >> 31) << 5) >> 5,
		.bp_offset = (int32_t)((uint32_t)(packed >> 6) << 7) >> 7,
	};
}

/*
 * Step @regs to its caller by the full row of @pc (= regs->pc, less one for a
 * return address).  *@ra_slot is where the return address lay.  False when a
 * load leaves @bounds or the row cannot be evaluated.
 */
bool cfi_step_full(const struct unwind_module *m, uint64_t pc,
		   struct stack_regs *regs, const struct stack_bounds *bounds,
		   uint64_t *ra_slot);

#endif
