/*
 * place: see place.h.
 */
#include "profiler/probe/place.h"

#include <string.h>

#include "profiler/unwind/insn.h"

/* Far enough for a frame to be set up and a canary to be stored. */
#define LOOK_FOR_CALL 128

static bool is_emulated(const struct insn *i)
{
	switch (i->kind) {
	case INSN_NOP:
	case INSN_PUSH:
	case INSN_JUMP:
	case INSN_BRANCH:
	case INSN_CALL:
		return true;
	default:
		return false;
	}
}

/*
 * What stands before the frame is made, and leaves argument registers as
 * they are.
 */
static bool leaves_arguments(const uint8_t *code, const struct insn *i)
{
	static const struct {
		uint8_t size, bytes[5];
	} harmless[] = {
		{ 3, { 0x48, 0x83, 0xec } },	   /* sub $n,%rsp */
		{ 3, { 0x48, 0x81, 0xec } },	   /* sub $N,%rsp */
		{ 3, { 0x48, 0x85, 0xff } },	   /* test %rdi,%rdi */
		{ 2, { 0x85, 0xd2 } },		   /* test %edx,%edx */
		{ 2, { 0x31, 0xc0 } },		   /* xor %eax,%eax */
		{ 3, { 0x48, 0x89, 0xe5 } },	   /* mov %rsp,%rbp */
		{ 4, { 0x64, 0x48, 0x8b, 0x04 } }, /* mov %fs:28,%rax */
		{ 4, { 0x48, 0x89, 0x44, 0x24 } }, /* mov %rax,n(%rsp) */
	};

	if (i->kind == INSN_ENDBR || i->kind == INSN_NOP ||
	    i->kind == INSN_PUSH)
		return true;
	for (size_t n = 0; n < sizeof(harmless) / sizeof(harmless[0]); n++)
		if (i->size >= harmless[n].size &&
		    !memcmp(code, harmless[n].bytes, harmless[n].size))
			return true;
	return false;
}

#define ANY ~0u

/* An instruction taken apart, as far as its ModRM byte. */
struct parts {
	uint8_t op, second; /* after 0x0f; else 0 */
	unsigned reg, rm;   /* registers; rm 16: memory */
	unsigned digit;	    /* ModRM's reg, of opcodes that it is part of */
};

static bool take_apart(const uint8_t *code, size_t size, struct parts *p)
{
	uint8_t rex = 0, modrm;
	size_t n = 0;

	while (n < size && (code[n] == 0x66 || code[n] == 0x2e ||
			    code[n] == 0x64 || code[n] == 0x65))
		n++;
	if (n < size && (code[n] & 0xf0) == 0x40)
		rex = code[n++];
	if (n + 2 > size)
		return false;
	*p = (struct parts) { .op = code[n++] };
	if (p->op == 0x0f)
		p->second = code[n++];
	modrm = n < size ? code[n] : 0;
	p->digit = modrm >> 3 & 7;
	p->reg = p->digit | (rex & 4 ? 8 : 0);
	p->rm = (modrm & 7) | (rex & 1 ? 8 : 0);
	if (modrm >> 6 != 3)
		p->rm = 16;
	return true;
}

/* The registers that @p changes: those few instructions which compilers put
 * before a function's first branch. */
static unsigned changes(const struct parts *p)
{
	unsigned rm = p->rm < 16 ? 1u << p->rm : 0, reg = 1u << p->reg;

	if (p->op == 0x0f)
		return p->second == 0xb6 || p->second == 0xb7 ||
				       p->second == 0xbe || p->second == 0xbf
			       ? reg
			       : ANY;
	if (p->op < 0x40 && (p->op & 7) < 4) { /* add, or, .. cmp */
		if (p->op >> 3 == 7)
			return 0;
		return p->op & 2 ? reg : rm;
	}
	switch (p->op) {
	case 0x80:
	case 0x81:
	case 0x83:
		return p->digit == 7 ? 0 : rm;
	case 0x84: /* test */
	case 0x85:
		return 0;
	case 0x88: /* mov */
	case 0x89:
	case 0xc1: /* shifts */
	case 0xc6: /* mov of a constant */
	case 0xc7:
	case 0xd1:
		return rm;
	case 0x63: /* movslq */
	case 0x8a:
	case 0x8b:
	case 0x8d: /* lea */
		return reg;
	case 0xf6:
	case 0xf7:
		return p->digit < 2 ? 0 : ANY;
	default:
		return ANY;
	}
}

/* The registers that it may change. */
static unsigned writes(const uint8_t *code, const struct insn *i)
{
	struct parts p;

	if (i->kind == INSN_ENDBR || i->kind == INSN_NOP)
		return 0;
	if (i->kind != INSN_OTHER || !take_apart(code, i->size, &p))
		return ANY;
	return changes(&p);
}

bool place_first(const uint8_t *code, size_t size, struct place *at)
{
	struct insn i;

	if (!insn_decode(code, size, &i))
		return false;
	*at = (struct place) { .stepped = !is_emulated(&i) };
	return true;
}

bool place_entry(const uint8_t *code, size_t size, struct place *at)
{
	struct insn i;

	if (!place_first(code, size, at))
		return false;
	for (size_t n = 0; n < size; n += i.size) {
		if (!insn_decode(code + n, size - n, &i))
			break;
		if (is_emulated(&i)) {
			*at = (struct place) { .offset = n };
			break;
		}
		if (!leaves_arguments(code + n, &i))
			break;
	}
	return true;
}

unsigned place_argument(unsigned n)
{
	static const uint8_t numbers[] = { 7, 6, 2, 1, 8 };

	return 1u << numbers[n < sizeof(numbers) ? n : 4];
}

bool place_keeping(const uint8_t *code, size_t size, unsigned keep,
		   struct place *at)
{
	struct insn i;

	if (!place_first(code, size, at))
		return false;
	for (size_t n = 0; n < size; n += i.size) {
		if (!insn_decode(code + n, size - n, &i))
			break;
		if (is_emulated(&i)) {
			*at = (struct place) { .offset = n };
			break;
		}
		if (writes(code + n, &i) & keep)
			break;
	}
	return true;
}

/*
 * Does it leave a function of @size bytes, being its byte @at?  Branches
 * lead to parts that are seldom needed and were put elsewhere, not away.
 */
static bool leaves(const struct insn *i, uint64_t at, size_t size)
{
	return i->kind == INSN_RETURN ||
	       (i->kind == INSN_JUMP && insn_target(i, at) >= size);
}

size_t place_exits(const uint8_t *code, size_t size, struct place *at,
		   size_t max)
{
	size_t count = 0;
	struct insn i;

	for (size_t n = 0; n < size; n += i.size) {
		if (!insn_decode(code + n, size - n, &i))
			return 0;
		if (!leaves(&i, n, size))
			continue;
		if (count < max)
			at[count] = (struct place) {
				.offset = n,
				.stepped = !is_emulated(&i),
			};
		count++;
	}
	return count;
}

size_t place_targets(const uint8_t *code, size_t size, int64_t *to, size_t max)
{
	size_t count = 0;
	struct insn i;

	for (size_t n = 0; n < size; n += i.size) {
		if (!insn_decode(code + n, size - n, &i))
			break;
		if ((i.kind != INSN_CALL && i.kind != INSN_JUMP) ||
		    insn_target(&i, n) < size)
			continue;
		if (count < max)
			to[count] = (int64_t)insn_target(&i, n);
		count++;
	}
	return count;
}

bool place_first_call(const uint8_t *code, size_t size, int64_t *distance)
{
	struct insn i;

	for (size_t n = 0; n < size && n < LOOK_FOR_CALL; n += i.size) {
		if (!insn_decode(code + n, size - n, &i))
			return false;
		if (i.kind == INSN_RETURN)
			return false;
		if (i.kind != INSN_CALL)
			continue;
		*distance = (int64_t)insn_target(&i, n);
		return true;
	}
	return false;
}
