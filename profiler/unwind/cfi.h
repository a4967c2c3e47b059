/*
 * cfi: what .eh_frame says about a pc: where its frame's caller is.
 *
 * Two products of one interpreter of CFA programs.  A compact rule covers
 * what nearly all code does and needs only sp and bp; a full row covers the
 * rest (a CFA in rbx or r10, expressions) and needs all registers.  Rules are
 * values that depend on nothing but the module's bytes, so they can be cached
 * by pc and written to tables (cfi_each).
 *
 * Freestanding: no allocation, no libc; every read stays inside the image.
 * x86-64.
 */
#ifndef STRANDLINE_UNWIND_CFI_H
#define STRANDLINE_UNWIND_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/unwind/image.h"

enum cfi_kind {
	CFI_NONE,     /* no rule: the walk ends here */
	CFI_SP,	      /* CFA = sp + cfa; cfa is positive, a multiple of 8 */
	CFI_BP,	      /* CFA = bp + cfa */
	CFI_DEREF_BP, /* CFA = *(bp + cfa): a realigned stack (DRAP) */
	CFI_PLT,      /* CFA = sp + 8, or + 16 when (pc & 15) >= cfa */
	CFI_SIGNAL,   /* a ucontext lies at sp */
	CFI_ROOT,     /* there is no caller */
	CFI_GENERIC,  /* needs cfi_row() */
};

enum cfi_saved {		/* where the caller's bp is */
		 CFI_BP_SAME,	/* still in bp */
		 CFI_BP_AT_CFA, /* *(CFA + 8 * bp) */
		 CFI_BP_AT_BP,	/* *(bp + 8 * bp) */
};

/* The return address is *(CFA - 8), the caller's sp is the CFA. */
struct cfi_rule {
	int32_t cfa;
	int16_t bp;
	uint8_t kind;  /* enum cfi_kind */
	uint8_t saved; /* enum cfi_saved */
};
_Static_assert(sizeof(struct cfi_rule) == 8, "packs into one word");

/* As one word, which is how caches hold and compare them. */
static inline uint64_t cfi_pack(struct cfi_rule r)
{
	return (uint32_t)r.cfa | (uint64_t)(uint16_t)r.bp << 32 |
	       (uint64_t)r.kind << 48 | (uint64_t)r.saved << 56;
}

static inline struct cfi_rule cfi_unpack(uint64_t word)
{
	return (struct cfi_rule) {
		.cfa = (int32_t)word,
		.bp = (int16_t)(word >> 32),
		.kind = (uint8_t)(word >> 48),
		.saved = (uint8_t)(word >> 56),
	};
}

/* @pc: of an instruction; take 1 off a return address.  Never CFI_PLT. */
struct cfi_rule cfi_find(const struct image *image, uint64_t pc);

/*
 * All rows of an image, in the order of .eh_frame, each for [start, end).
 * Ends early when @visit returns false.  Returns the number of rows visited.
 */
typedef bool cfi_visit(void *context, uint64_t start, uint64_t end,
		       struct cfi_rule rule);
uint64_t cfi_each(const struct image *image, cfi_visit *visit, void *context);

/* DWARF's numbers; CFI_RA stands for the return address. */
enum cfi_register {
	CFI_RAX = 0,
	CFI_RDX,
	CFI_RCX,
	CFI_RBX,
	CFI_RSI,
	CFI_RDI,
	CFI_RBP,
	CFI_RSP,
	CFI_R8,
	CFI_R12 = 12,
	CFI_R13,
	CFI_R14,
	CFI_R15,
	CFI_RA,
	CFI_REGISTERS,
};

enum cfi_how {
	CFI_SAME, /* unchanged, or nothing said */
	CFI_UNDEFINED,
	CFI_AT,		/* *(CFA + value) */
	CFI_VALUE,	/* CFA + value */
	CFI_REGISTER,	/* in register @value */
	CFI_EXPR_AT,	/* *(expression) */
	CFI_EXPR_VALUE, /* expression */
};

/* Of an expression, @value is where its size and bytes lie in the image. */
struct cfi_place {
	uint32_t how; /* enum cfi_how */
	uint32_t value;
};

struct cfi_row {
	struct cfi_place cfa; /* CFI_VALUE of cfa_register, or an expression */
	uint32_t cfa_register;
	bool signal; /* a signal's frame: the caller's pc is exact */
	struct cfi_place at[CFI_REGISTERS];
};

/* False: no row covers @pc, or it cannot be read. */
bool cfi_row(const struct image *image, uint64_t pc, struct cfi_row *row);

#endif
