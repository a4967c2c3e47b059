/*
 * Any bytes as a function: what of it is to move is whole instructions, and
 * after the move each leads to where it led before.  A call, which is the
 * last, has become three instructions.
 */
#include <stdlib.h>
#include <string.h>

#include "preload/prologue.c" /* of the shim, which no layer holds */

#define HERE  0x400000ULL
#define THERE 0x300000ULL

static uint64_t target_of(const struct insn *i, uint64_t address)
{
	return i->relative_at ? insn_target(i, address) : 0;
}

static void compare(const struct prologue *p, const uint8_t *code,
		    const uint8_t *moved, size_t size)
{
	size_t end = (size_t)p->kept + p->moved, to = 0;

	for (size_t at = 0; at < end;) {
		struct insn was, is;

		if (!insn_decode(code + at, end - at, &was))
			abort();
		if (was.kind == INSN_CALL) {
			to += 13;
			was.kind = INSN_JUMP;
		}
		if (to >= size || !insn_decode(moved + to, size - to, &is) ||
		    was.kind != is.kind ||
		    target_of(&was, HERE + at) != target_of(&is, THERE + to))
			abort();
		at += was.size;
		to += is.size;
	}
	if (to != size && to + PROLOGUE_JUMP != size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *code, size_t size)
{
	uint8_t moved[PROLOGUE_ROOM];
	struct prologue p;
	size_t written;

	if (prologue_measure(code, size, &p) != PATCH_DONE)
		return 0;
	if (p.moved < PROLOGUE_JUMP || (size_t)p.kept + p.moved > size)
		abort();
	written = prologue_move(&p, code, HERE, moved, THERE);
	if (written)
		compare(&p, code, moved, written);
	return 0;
}
