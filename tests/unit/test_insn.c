#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "profiler/unwind/insn.h"

/* The instruction at the start of a text of hex bytes. */
static struct insn decoded(const char *hex)
{
	uint8_t code[32];
	size_t size = 0;
	unsigned byte;
	struct insn i;
	int taken;

	while (sscanf(hex, "%x%n", &byte, &taken) == 1) {
		code[size++] = (uint8_t)byte;
		hex += taken;
	}
	if (!insn_decode(code, size, &i))
		cr_assert_eq(i.size, 0);
	return i;
}

static void expect(const char *hex, enum insn_kind kind, unsigned size)
{
	struct insn i = decoded(hex);

	cr_expect_eq(i.size, size, "%s: %u bytes", hex, i.size);
	cr_expect_eq(i.kind, kind, "%s: kind %u", hex, i.kind);
}

static void expect_refused(const char *hex)
{
	cr_expect_eq(decoded(hex).size, 0, "%s", hex);
}

Test(insn, what_prologues_are_made_of)
{
	expect("f3 0f 1e fa", INSN_ENDBR, 4);		  /* endbr64 */
	expect("55", INSN_PUSH, 1);			  /* push %rbp */
	expect("41 57", INSN_PUSH, 2);			  /* push %r15 */
	expect("48 89 e5", INSN_OTHER, 3);		  /* mov %rsp,%rbp */
	expect("48 83 ec 18", INSN_OTHER, 4);		  /* sub $0x18,%rsp */
	expect("48 81 ec 98 0 0 0", INSN_OTHER, 7);	  /* sub $0x98,%rsp */
	expect("64 48 8b 04 25 28 0 0 0", INSN_OTHER, 9); /* %fs:0x28 */
	expect("48 85 ff", INSN_OTHER, 3);		  /* test %rdi,%rdi */
	expect("66 0f 1f 44 0 0", INSN_NOP, 6);
}

Test(insn, what_leads_elsewhere)
{
	expect("74 05", INSN_BRANCH, 2);
	expect("0f 84 1 0 0 0", INSN_BRANCH, 6);
	expect("eb fe", INSN_JUMP, 2);
	expect("f2 e9 1 0 0 0", INSN_JUMP, 6); /* bnd jmp */
	expect("e3 10", INSN_LOOP, 2);
	expect("e8 1 0 0 0", INSN_CALL, 5);
	expect("ff 25 1 0 0 0", INSN_INDIRECT, 6);
	expect("3e ff e0", INSN_INDIRECT, 3); /* notrack jmp *%rax */
	expect("41 ff d4", INSN_CALL_REGS, 3);
	expect("f3 c3", INSN_RETURN, 2);
	expect("0f 0b", INSN_TRAP, 2);
}

Test(insn, a_distance_is_found_and_followed)
{
	struct insn i = decoded("48 8d 3d f9 ff ff ff"); /* lea -7(%rip) */

	cr_assert_eq(i.relative_at, 3);
	cr_assert_eq(i.relative_size, 4);
	cr_assert_eq(insn_target(&i, 0x1000), 0x1000);
	cr_assert_not(insn_jumps(&i));
	i = decoded("eb fe");
	cr_assert_eq(insn_target(&i, 0x1000), 0x1000);
	cr_assert(insn_jumps(&i));
}

Test(insn, an_immediate_after_a_rip_relative_operand_counts)
{
	struct insn i = decoded("83 3d 10 0 0 0 0"); /* cmpl $0,0x10(%rip) */

	cr_assert_eq(i.size, 7);
	cr_assert_eq(i.relative_at, 2);
	cr_assert_eq(insn_target(&i, 0x1000), 0x1017);
}

Test(insn, a_register_operand_is_not_rip_relative)
{
	cr_assert_eq(decoded("48 8d 05 0 0 0 0").relative_at, 3);
	cr_assert_eq(decoded("48 8b 45 08").relative_at, 0);
	cr_assert_eq(decoded("48 8b 04 25 0 0 0 0").relative_at, 0);
	cr_assert_eq(decoded("48 8b c5").relative_at, 0);
}

Test(insn, immediates_have_their_lengths)
{
	expect("48 b8 1 2 3 4 5 6 7 8", INSN_OTHER, 10); /* movabs */
	expect("b8 1 2 3 4", INSN_OTHER, 5);
	expect("66 b8 1 2", INSN_OTHER, 4);
	expect("f6 05 0 0 0 0 01", INSN_OTHER, 7); /* testb $1,(%rip) */
	expect("f6 d0", INSN_OTHER, 2);		   /* not %al */
	expect("66 f7 c1 1 2", INSN_OTHER, 5);	   /* test $0x201,%cx */
	expect("a0 1 2 3 4 5 6 7 8", INSN_OTHER, 9);
	expect("c8 10 0 1", INSN_OTHER, 4); /* enter */
}

Test(insn, vector_instructions_have_their_lengths)
{
	expect("c5 f8 77", INSN_OTHER, 3);	       /* vzeroupper */
	expect("c5 fd 6f 05 1 0 0 0", INSN_OTHER, 8);  /* vmovdqa (%rip) */
	expect("c4 e3 7d 39 c1 01", INSN_OTHER, 6);    /* vextracti128 */
	expect("62 f1 7d 48 ef c0", INSN_OTHER, 6);    /* vpxord */
	expect("62 f3 75 48 25 c0 ff", INSN_OTHER, 7); /* vpternlogd */
	expect("66 0f 3a 0f c1 08", INSN_OTHER, 6);    /* palignr */
}

Test(insn, what_means_nothing_in_64_bit_mode_is_refused)
{
	expect_refused("06");		  /* push %es */
	expect_refused("27");		  /* daa */
	expect_refused("60");		  /* pusha */
	expect_refused("ea 0 0 0 0 0 0"); /* far jump */
	expect_refused("82 c0 1");
	expect_refused("8d c0");	     /* lea of a register */
	expect_refused("62 f1 79 48 ef c0"); /* EVEX without its fixed bit */
}

Test(insn, what_makes_of_cpu_differ_in_is_refused)
{
	expect_refused("66 e9 1 0 0 0 0 0");
	expect_refused("66 74 01");
	expect("66 66 48 e8 1 0 0 0", INSN_CALL, 8); /* as for TLS */
}

Test(insn, what_is_cut_off_is_refused)
{
	static const uint8_t code[] = { 0x64, 0x48, 0x8b, 0x04, 0x25,
					0x28, 0x00, 0x00, 0x00 };
	struct insn i;

	for (size_t size = 0; size < sizeof(code); size++)
		cr_expect_not(insn_decode(code, size, &i), "%zu", size);
	cr_expect(insn_decode(code, sizeof(code), &i));
}

Test(insn, no_instruction_is_longer_than_15_bytes)
{
	expect_refused("66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90");
	expect("66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", INSN_NOP, 15);
}

Test(insn, a_rex_counts_only_right_before_the_opcode)
{
	expect("48 66 b8 1 2", INSN_OTHER, 5); /* the REX.W is void */
	expect("66 48 b8 1 2 3 4 5 6 7 8", INSN_OTHER, 11);
}
