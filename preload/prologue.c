#include "preload/prologue.h"

#include "profiler/unwind/insn.h"

/* Does the instruction at @at lead into what is to be moved? */
static bool leads_inside(const struct insn *i, size_t at,
			 const struct prologue *p)
{
	uint64_t target;

	if (!i->relative_at)
		return false;
	target = insn_target(i, at);
	/* To its first byte is to the function: that goes through us. */
	return target > p->kept && target < (uint64_t)p->kept + p->moved;
}

/*
 * A call returns to what follows it, where it was: it begins before the end
 * of the jump that replaces it and is as long, so it is the last that moves.
 */
static bool ends(const struct insn *i)
{
	return i->kind == INSN_JUMP || i->kind == INSN_INDIRECT ||
	       i->kind == INSN_RETURN || i->kind == INSN_CALL;
}

/* May this instruction run elsewhere? */
static enum wire_patch_state movable(const struct insn *i)
{
	switch (i->kind) {
	case INSN_CALL_REGS:
		return PATCH_CALLS;
	case INSN_LOOP:
	case INSN_TRAP:
		return PATCH_UNKNOWN_CODE;
	default:
		return PATCH_DONE;
	}
}

static enum wire_patch_state measure_entry(const uint8_t *code, size_t size,
					   struct prologue *p)
{
	enum wire_patch_state state;
	struct insn i;
	size_t at = 0;

	*p = (struct prologue) { 0 };
	while (at < (size_t)p->kept + PROLOGUE_JUMP) {
		if (at >= size)
			return PATCH_TOO_SHORT;
		if (!insn_decode(code + at, size - at, &i))
			return PATCH_UNKNOWN_CODE;
		if (i.kind == INSN_ENDBR && at == 0)
			p->kept = i.size;
		state = movable(&i);
		if (state != PATCH_DONE)
			return state;
		at += i.size;
		if (ends(&i) && at < (size_t)p->kept + PROLOGUE_JUMP)
			return PATCH_TOO_SHORT;
	}
	p->moved = (uint8_t)(at - p->kept);
	return PATCH_DONE;
}

enum wire_patch_state prologue_measure(const uint8_t *code, size_t size,
				       struct prologue *p)
{
	enum wire_patch_state state = measure_entry(code, size, p);
	struct insn i;

	if (state != PATCH_DONE)
		return state;
	for (size_t at = 0; at < size; at += i.size) {
		if (!insn_decode(code + at, size - at, &i))
			return PATCH_UNKNOWN_CODE;
		if (leads_inside(&i, at, p))
			return PATCH_LOOPS;
	}
	return PATCH_DONE;
}

struct writer {
	uint8_t *to;
	size_t size;
	uint64_t address; /* where to[0] will be */
	bool failed;
};

static void put(struct writer *w, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		w->to[w->size++] = bytes[i];
}

static void put32(struct writer *w, uint32_t bits)
{
	uint8_t bytes[4] = { (uint8_t)bits, (uint8_t)(bits >> 8),
			     (uint8_t)(bits >> 16), (uint8_t)(bits >> 24) };

	put(w, bytes, 4);
}

/* The last four bytes of an instruction of which @after follow them. */
static void put_distance(struct writer *w, uint64_t target, size_t after)
{
	int64_t by = (int64_t)(target - (w->address + w->size + 4 + after));

	if (by != (int32_t)by)
		w->failed = true;
	put32(w, (uint32_t)by);
}

/* A jump of one byte's distance, as one of four. */
static void put_long_jump(struct writer *w, const struct insn *i,
			  const uint8_t *code, uint64_t target)
{
	static const uint8_t jump = 0xe9;
	uint8_t opcode = code[i->relative_at - 1];
	const uint8_t branch[2] = { 0x0f, (uint8_t)(opcode + 0x10) };

	if (i->size + 4 > INSN_MAX) /* all prefixes */
		w->failed = true;
	put(w, code, i->relative_at - 1u);
	if (i->kind == INSN_JUMP)
		put(w, &jump, 1);
	else
		put(w, branch, 2);
	put_distance(w, target, 0);
}

/* push the address in two halves, and jump */
static void put_call(struct writer *w, uint64_t target, uint64_t back)
{
	static const uint8_t push = 0x68, jump = 0xe9;
	static const uint8_t high[] = { 0xc7, 0x44, 0x24, 0x04 };

	put(w, &push, 1);
	put32(w, (uint32_t)back);
	put(w, high, sizeof(high)); /* movl $.., 4(%rsp) */
	put32(w, (uint32_t)(back >> 32));
	put(w, &jump, 1);
	put_distance(w, target, 0);
}

static void put_insn(struct writer *w, const struct insn *i,
		     const uint8_t *code, uint64_t address)
{
	size_t after;

	if (!i->relative_at) {
		put(w, code, i->size);
	} else if (i->kind == INSN_CALL) {
		put_call(w, insn_target(i, address), address + i->size);
	} else if (i->relative_size == 1) {
		put_long_jump(w, i, code, insn_target(i, address));
	} else {
		after = i->size - i->relative_at - 4u;
		put(w, code, i->relative_at);
		put_distance(w, insn_target(i, address), after);
		put(w, code + i->relative_at + 4, after);
	}
}

bool prologue_jump(uint8_t at[PROLOGUE_JUMP], uint64_t address, uint64_t target)
{
	struct writer w = { .to = at, .address = address };
	static const uint8_t jump = 0xe9;

	put(&w, &jump, 1);
	put_distance(&w, target, 0);
	return !w.failed;
}

size_t prologue_move(const struct prologue *p, const uint8_t *code,
		     uint64_t address, uint8_t to[PROLOGUE_ROOM],
		     uint64_t to_address)
{
	struct writer w = { .to = to, .address = to_address };
	size_t end = (size_t)p->kept + p->moved, at = 0;
	struct insn i = { 0 };

	for (; at < end; at += i.size) {
		if (!insn_decode(code + at, end - at, &i))
			return 0;
		put_insn(&w, &i, code + at, address + at);
	}
	if (!ends(&i)) {
		static const uint8_t jump = 0xe9;

		put(&w, &jump, 1);
		put_distance(&w, address + end, 0);
	}
	return w.failed ? 0 : w.size;
}
