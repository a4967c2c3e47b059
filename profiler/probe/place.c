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
