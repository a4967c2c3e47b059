#include <criterion/criterion.h>
#include <string.h>

#include "preload/prologue.h"
#include "profiler/unwind/insn.h"

#define HERE  0x10000ULL
#define THERE 0x8000ULL
#define CODE(...)                          \
	(const uint8_t[]) { __VA_ARGS__ }, \
		sizeof((const uint8_t[]) { __VA_ARGS__ })

static enum wire_patch_state measured(const uint8_t *code, size_t size)
{
	struct prologue p;

	return prologue_measure(code, size, &p);
}

struct moved {
	uint8_t bytes[PROLOGUE_ROOM];
	size_t size;
	struct prologue p;
};

static struct moved moved_to(const uint8_t *code, size_t size, uint64_t to)
{
	struct moved m;

	cr_assert_eq(prologue_measure(code, size, &m.p), PATCH_DONE);
	m.size = prologue_move(&m.p, code, HERE, m.bytes, to);
	return m;
}

/* Where the instruction at @at of what was moved leads. */
static uint64_t leads_to(const struct moved *m, size_t at)
{
	struct insn i;

	cr_assert(insn_decode(m->bytes + at, m->size - at, &i));
	cr_assert_neq(i.relative_at, 0);
	return insn_target(&i, THERE + at);
}

Test(prologue, whole_instructions_move_and_the_rest_follows)
{
	/* push %rbp; mov %rsp,%rbp; sub $16,%rsp; xor %eax,%eax; ret */
	struct moved m = moved_to(CODE(0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec,
				       0x10, 0x31, 0xc0, 0xc3),
				  THERE);

	cr_assert_eq(m.p.kept, 0);
	cr_assert_eq(m.p.moved, 8);
	cr_assert_eq(m.size, 8 + 5);
	cr_assert_arr_eq(m.bytes, "\x55\x48\x89\xe5\x48\x83\xec\x10", 8);
	cr_assert_eq(leads_to(&m, 8), HERE + 8);
}

Test(prologue, endbr_stays_and_stands_before_what_moved)
{
	/* endbr64; push %r12 x3; ret */
	struct moved m = moved_to(CODE(0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x54, 0x41,
				       0x54, 0x41, 0x54, 0xc3),
				  THERE);

	cr_assert_eq(m.p.kept, 4);
	cr_assert_eq(m.p.moved, 6);
	cr_assert_eq(m.bytes[0], 0xf3);
	cr_assert_eq(leads_to(&m, 10), HERE + 10);
}

Test(prologue, a_rip_relative_operand_means_the_same_address)
{
	/* cmpl $7,0x100(%rip); ret */
	struct moved m =
		moved_to(CODE(0x83, 0x3d, 0x00, 0x01, 0x00, 0x00, 0x07, 0xc3),
			 THERE);

	cr_assert_eq(leads_to(&m, 0), HERE + 7 + 0x100);
	cr_assert_eq(m.bytes[6], 7);
}

Test(prologue, a_short_branch_becomes_a_long_one)
{
	/* test %rdi,%rdi; je +9; push %rbx; ... */
	struct moved m =
		moved_to(CODE(0x48, 0x85, 0xff, 0x74, 0x09, 0x53, 0x90, 0x90,
			      0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3),
			 THERE);

	cr_assert_eq(m.p.moved, 5);
	cr_assert_eq(m.bytes[3], 0x0f);
	cr_assert_eq(m.bytes[4], 0x84);
	cr_assert_eq(leads_to(&m, 3), HERE + 5 + 9);
	cr_assert_eq(leads_to(&m, 9), HERE + 5);
}

Test(prologue, a_function_that_is_one_jump_needs_no_way_back)
{
	struct moved m = moved_to(CODE(0xe9, 0x00, 0x10, 0x00, 0x00), THERE);

	cr_assert_eq(m.size, 5);
	cr_assert_eq(leads_to(&m, 0), HERE + 5 + 0x1000);
}

Test(prologue, what_ends_before_a_jump_fits_is_refused)
{
	cr_expect_eq(measured(CODE(0xc3)), PATCH_TOO_SHORT);
	cr_expect_eq(measured(CODE(0x31, 0xc0, 0xc3)), PATCH_TOO_SHORT);
	cr_expect_eq(measured(CODE(0xeb, 0x10, 0x90, 0x90, 0x90, 0x90)),
		     PATCH_TOO_SHORT);
	cr_expect_eq(measured(CODE(0x55)), PATCH_TOO_SHORT);
	cr_expect_eq(measured(NULL, 0), PATCH_TOO_SHORT);
}

Test(prologue, a_call_returns_to_where_it_stood)
{
	/* push %rbx; call +0x100; pop %rbx; ret */
	struct moved m =
		moved_to(CODE(0x53, 0xe8, 0x00, 0x01, 0x00, 0x00, 0x5b, 0xc3),
			 THERE);

	cr_assert_eq(m.p.moved, 6);
	cr_assert_eq(m.size, 1 + 5 + 8 + 5);
	/* push $HERE + 6; movl $0,4(%rsp) */
	cr_assert_arr_eq(m.bytes + 1,
			 "\x68\x06\x00\x01\x00"
			 "\xc7\x44\x24\x04\x00\x00\x00\x00",
			 13);
	cr_assert_eq(leads_to(&m, 14), HERE + 6 + 0x100);
}

Test(prologue, an_indirect_call_is_refused)
{
	cr_expect_eq(measured(CODE(0x55, 0xff, 0xd0, 0x90, 0x90, 0xc3)),
		     PATCH_CALLS);
}

Test(prologue, a_call_after_it_is_not)
{
	cr_expect_eq(measured(CODE(0x48, 0x83, 0xec, 0x18, 0x53, 0xe8, 0, 1, 0,
				   0, 0xc3)),
		     PATCH_DONE);
}

Test(prologue, a_jump_back_into_it_is_refused)
{
	/* push %rbx; L: dec %rdi; nop; jne L; ret */
	cr_expect_eq(measured(CODE(0x53, 0x48, 0xff, 0xcf, 0x90, 0x75, 0xfa,
				   0xc3)),
		     PATCH_LOOPS);
}

Test(prologue, a_jump_back_to_its_first_byte_is_a_call_of_it)
{
	/* push %rbx; dec %rdi; nop; jne 0; ret */
	cr_expect_eq(measured(CODE(0x53, 0x48, 0xff, 0xcf, 0x90, 0x75, 0xf9,
				   0xc3)),
		     PATCH_DONE);
}

Test(prologue, code_that_is_not_understood_is_refused)
{
	cr_expect_eq(measured(CODE(0x55, 0x06, 0x90, 0x90, 0x90, 0xc3)),
		     PATCH_UNKNOWN_CODE);
	/* even past what is moved: a jump back could hide there */
	cr_expect_eq(measured(CODE(0x90, 0x90, 0x90, 0x90, 0x90, 0x06, 0xc3)),
		     PATCH_UNKNOWN_CODE);
}

Test(prologue, an_operand_out_of_reach_fails)
{
	/* lea 0x100(%rip),%rax; ret */
	struct moved m =
		moved_to(CODE(0x48, 0x8d, 0x05, 0x00, 0x01, 0x00, 0x00, 0xc3),
			 HERE + (3ULL << 30));

	cr_assert_eq(m.size, 0);
}

Test(prologue, a_jump_reaches_two_gibibytes)
{
	uint8_t jump[PROLOGUE_JUMP];

	cr_assert(prologue_jump(jump, HERE, HERE + (1ULL << 31)));
	cr_assert_not(prologue_jump(jump, HERE, HERE + (1ULL << 31) + 5));
}
