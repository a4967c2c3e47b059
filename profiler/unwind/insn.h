/*
 * insn: where an x86-64 instruction ends, and what it does to the flow.
 *
 * The one idea: an instruction is prefixes, an opcode out of one of a few
 * maps, perhaps a ModRM byte with its address, perhaps an immediate; a table
 * of the opcodes says which.  What means nothing in 64-bit mode, or differs
 * between makes of CPU, is refused and never guessed.  Nothing past the given
 * bytes is read.
 *
 * For those who move code (the shim patches an allocator's entry) or put a
 * probe on it.  Freestanding, without state, any thread.
 */
#ifndef STRANDLINE_UNWIND_INSN_H
#define STRANDLINE_UNWIND_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15 /* bytes, what the CPU takes */

enum insn_kind {
	INSN_OTHER,	/* goes on to the next */
	INSN_NOP,	/* of any length, endbr64 apart */
	INSN_ENDBR,	/* where an indirect branch may land */
	INSN_PUSH,	/* of one register */
	INSN_JUMP,	/* to insn_target() */
	INSN_BRANCH,	/* to insn_target(), or on; jcc */
	INSN_LOOP,	/* the same; loop, jrcxz: there is no long form */
	INSN_CALL,	/* of insn_target() */
	INSN_INDIRECT,	/* jump to where a register or memory says */
	INSN_CALL_REGS, /* the same, a call */
	INSN_RETURN,	/* from a call or an interrupt */
	INSN_TRAP,	/* ud2, int3, hlt: not on to the next */
};

struct insn {
	uint8_t size; /* bytes */
	uint8_t kind; /* enum insn_kind */
	/*
	 * Where the distance to something relative to the next instruction
	 * stands: a rip-relative operand, or the target of a jump.  0: none.
	 */
	uint8_t relative_at;
	uint8_t relative_size; /* 1 or 4 */
	int32_t relative;
};

/* Decode what is at @code; false: unknown, or cut off after @size bytes. */
bool insn_decode(const uint8_t *code, size_t size, struct insn *insn);

/* What the relative distance of an instruction at @address leads to. */
static inline uint64_t insn_target(const struct insn *i, uint64_t address)
{
	return address + i->size + (uint64_t)(int64_t)i->relative;
}

/* Is the relative distance that of code, not of data? */
static inline bool insn_jumps(const struct insn *i)
{
	return i->kind >= INSN_JUMP && i->kind <= INSN_CALL;
}

#endif
