/*
 * Instruction lengths and kinds against objdump's, over all code of the given
 * files.
 *
 *	objdump -dw --insn-width=15 FILE... | insn_oracle
 *
 * Fails on the first disagreement about an instruction that insn_decode()
 * takes, and when it takes less than 99.9 % of them.  What objdump itself
 * takes for no instruction (data among code) or for a prefix alone is left
 * out, as are the x87 forms that it joins with the fwait before them.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/unwind/insn.h"

struct line {
	uint64_t address;
	uint8_t bytes[32];
	size_t size;
	char text[256];
};

/* "  40a1b0:\t48 89 e5             \tmov    %rsp,%rbp" */
static int parse(const char *from, struct line *to)
{
	char *at;

	*to = (struct line) { .address = strtoull(from, &at, 16) };
	if (at == from || at[0] != ':' || at[1] != '\t')
		return 0;
	for (at += 2; isxdigit(at[0]) && isxdigit(at[1]) && to->size < 32;) {
		to->bytes[to->size++] = (uint8_t)strtoul(at, &at, 16);
		while (*at == ' ')
			at++;
	}
	if (*at != '\t')
		return 0;
	snprintf(to->text, sizeof(to->text), "%s", at + 1);
	return to->size > 0;
}

static int begins(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

static size_t prefix_length(const char *text)
{
	static const char *const prefixes[] = {
		"bnd", "notrack", "data16", "addr32", "cs",    "ds",   "es",
		"ss",  "fs",	  "gs",	    "repz",   "repnz", "lock",
	};
	size_t length = strcspn(text, " ");

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (strlen(prefixes[i]) == length && begins(text, prefixes[i]))
			return length;
	return begins(text, "rex") ? length : 0;
}

/* Past the names of prefixes; "" where there is nothing else. */
static const char *mnemonic(const char *text)
{
	size_t length;

	while ((length = prefix_length(text)) > 0) {
		text += length;
		text += strspn(text, " ");
	}
	return text;
}

/* objdump writes "jmp    *%rax", and "jmp    2030 <name>". */
static int is_indirect(const char *m)
{
	m += strcspn(m, " ");
	return m[strspn(m, " ")] == '*';
}

static int kind_agrees(const struct insn *i, const struct line *l)
{
	const char *m = mnemonic(l->text);

	switch (i->kind) {
	case INSN_JUMP:
		return begins(m, "jmp") && !is_indirect(m);
	case INSN_INDIRECT:
		return strstr(m, "jmp") && is_indirect(m);
	case INSN_CALL:
		return begins(m, "call") && !is_indirect(m);
	case INSN_CALL_REGS:
		return strstr(m, "call") && is_indirect(m);
	case INSN_BRANCH:
		return m[0] == 'j' && !begins(m, "jmp");
	case INSN_LOOP:
		return begins(m, "loop") || strstr(m, "cxz");
	case INSN_RETURN:
		return strstr(m, "ret") || begins(m, "sysexit");
	case INSN_TRAP:
		return begins(m, "ud") || begins(m, "int") || begins(m, "hlt");
	case INSN_ENDBR:
		return begins(m, "endbr");
	case INSN_NOP:
		return strstr(m, "nop") || begins(m, "xchg   %ax,%ax") ||
		       begins(m, "pause");
	case INSN_PUSH:
		return begins(m, "push");
	default:
		return m[0] != 'j' && !begins(m, "call") && !begins(m, "ret");
	}
}

/* The address that objdump names: of a jump, or "# 3bf0" of an operand. */
static int target_agrees(const struct insn *i, const struct line *l)
{
	const char *at =
		insn_jumps(i) ? mnemonic(l->text) : strrchr(l->text, '#');

	if (!i->relative_at)
		return 1;
	if (!at) /* e.g. with a prefix: objdump leaves it at 0x..(%rip) */
		return strstr(l->text, "(%rip)") || strstr(l->text, "(%eip)");
	while (*at && *at != ' ')
		at++;
	return strtoull(at, NULL, 16) == insn_target(i, l->address);
}

int main(void)
{
	size_t lines = 0, taken = 0;
	char text[1024];
	struct line l;

	while (fgets(text, sizeof(text), stdin)) {
		uint8_t code[INSN_MAX];
		struct insn i;

		text[strcspn(text, "\n")] = 0;
		if (!parse(text, &l) || strstr(l.text, "(bad)") ||
		    !*mnemonic(l.text) || l.size > INSN_MAX ||
		    (l.bytes[0] == 0x9b && l.size > 1))
			continue;
		lines++;
		memset(code, 0x90, sizeof(code));
		memcpy(code, l.bytes, l.size);
		if (!insn_decode(code, sizeof(code), &i)) {
			if (getenv("INSN_ORACLE_SHOW"))
				printf("refused: %s\n", text);
			continue;
		}
		taken++;
		if (i.size == l.size && kind_agrees(&i, &l) &&
		    target_agrees(&i, &l))
			continue;
		printf("decoded %u bytes of kind %u, to %llx:\n%s\n", i.size,
		       i.kind, (unsigned long long)insn_target(&i, l.address),
		       text);
		return 1;
	}
	printf("%zu of %zu instructions taken, all as objdump has them\n",
	       taken, lines);
	return lines == 0 || (double)taken < 0.999 * (double)lines;
}
