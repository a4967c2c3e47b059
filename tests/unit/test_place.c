/*
 * Where probes are put on a function, and what they would cost there.
 */
#include <criterion/criterion.h>

#include "profiler/probe/place.h"

#define CODE(...)                                      \
	static const uint8_t code[] = { __VA_ARGS__ }; \
	const size_t size = sizeof(code)

Test(place, a_push_is_cheap)
{
	CODE(0x55, 0x48, 0x89, 0xe5, 0xc3);
	struct place at;

	cr_assert(place_entry(code, size, &at));
	cr_expect_eq(at.offset, 0);
	cr_expect_not(at.stepped);
}

Test(place, a_cheap_instruction_behind_a_test_of_the_argument_is_taken)
{
	/* free() of glibc 2.36: test %rdi,%rdi; je; push %rbp */
	CODE(0x48, 0x85, 0xff, 0x74, 0x05, 0x55, 0xc3);
	struct place at;

	cr_assert(place_entry(code, size, &at));
	cr_expect_eq(at.offset, 3);
	cr_expect_not(at.stepped);
}

Test(place, no_place_is_taken_behind_what_changes_an_argument)
{
	/* mov %rsi,%rdi; push %rbp; ret */
	CODE(0x48, 0x89, 0xf7, 0x55, 0xc3);
	struct place at;

	cr_assert(place_entry(code, size, &at));
	cr_expect_eq(at.offset, 0);
	cr_expect(at.stepped);
}

Test(place, the_return_is_caught_at_the_first_instruction_alone)
{
	/* sub $0x18,%rsp; push %rbp */
	CODE(0x48, 0x83, 0xec, 0x18, 0x55);
	struct place at;

	cr_assert(place_first(code, size, &at));
	cr_expect_eq(at.offset, 0);
	cr_expect(at.stepped);
}

Test(place, code_that_is_not_understood_has_no_place)
{
	CODE(0x06); /* push %es: not in 64-bit mode */
	struct place at;

	cr_expect_not(place_first(code, size, &at));
	cr_expect_not(place_entry(code, size, &at));
	cr_expect_eq(place_exits(code, size, &at, 1), 0);
}

Test(place, every_return_is_an_exit)
{
	/* test %edi,%edi; je +1; ret; nop; ret */
	CODE(0x85, 0xff, 0x74, 0x01, 0xc3, 0x90, 0xc3);
	struct place at[4];

	cr_assert_eq(place_exits(code, size, at, 4), 2);
	cr_expect_eq(at[0].offset, 4);
	cr_expect_eq(at[1].offset, 6);
	cr_expect(at[0].stepped);
}

Test(place, a_jump_to_another_function_is_an_exit_and_one_within_is_not)
{
	/* jmp 3; nop; jmp far away */
	CODE(0xeb, 0x01, 0x90, 0xe9, 0x00, 0x10, 0x00, 0x00);
	struct place at[4];

	cr_assert_eq(place_exits(code, size, at, 4), 1);
	cr_expect_eq(at[0].offset, 3);
	cr_expect_not(at[0].stepped);
}

Test(place, exits_beyond_the_room_are_counted)
{
	CODE(0xc3, 0xc3, 0xc3);
	struct place at[1];

	cr_expect_eq(place_exits(code, size, at, 1), 3);
}

Test(place, the_first_call_is_found_behind_the_frame)
{
	/* SSL_read_ex of OpenSSL 3: sub $8,%rsp; call -569 */
	CODE(0x48, 0x83, 0xec, 0x08, 0xe8, 0xc7, 0xfd, 0xff, 0xff, 0xc3);
	int64_t distance;

	cr_assert(place_first_call(code, size, &distance));
	cr_expect_eq(distance, 9 - 569);
}

Test(place, a_function_that_returns_first_calls_none)
{
	CODE(0xc3, 0xe8, 0x00, 0x00, 0x00, 0x00);
	int64_t distance;

	cr_expect_not(place_first_call(code, size, &distance));
}

Test(place, a_branch_behind_what_leaves_the_argument_alone_is_taken)
{
	/* free() of jemalloc, shortened: mov %rdi,%rax; mov n(%rip),%rdx;
	 * shr $26,%rax; cmp %rax,%rdx; je */
	CODE(0x48, 0x89, 0xf8, 0x48, 0x8b, 0x15, 0, 0, 0, 0, 0x48, 0xc1, 0xe8,
	     0x1a, 0x48, 0x39, 0xc2, 0x74, 0x00);
	struct place at;

	cr_assert(place_keeping(code, size, place_argument(0), &at));
	cr_expect_eq(at.offset, 17);
	cr_expect_not(at.stepped);
}

Test(place, no_branch_is_taken_behind_what_overwrites_the_argument)
{
	/* malloc() of mimalloc: mov %rdi,%rsi; mov %fs:(%rax),%rdi; ja */
	CODE(0x48, 0x89, 0xfe, 0x64, 0x48, 0x8b, 0x38, 0x77, 0x00);
	struct place at;

	cr_assert(place_keeping(code, size, place_argument(0), &at));
	cr_expect_eq(at.offset, 0);
	cr_expect(at.stepped);
}

Test(place, the_return_is_not_caught_behind_what_moves_the_stack)
{
	/* sub $24,%rsp; test %rdi,%rdi; je */
	CODE(0x48, 0x83, 0xec, 0x18, 0x48, 0x85, 0xff, 0x74, 0x00);
	struct place at;

	cr_assert(place_keeping(code, size, PLACE_RSP, &at));
	cr_expect_eq(at.offset, 0);
	cr_assert(place_keeping(code, size, place_argument(0), &at));
	cr_expect_eq(at.offset, 7);
}

Test(place, what_an_unknown_instruction_changes_is_anything)
{
	/* cpuid; push %rbp */
	CODE(0x0f, 0xa2, 0x55, 0xc3);
	struct place at;

	cr_assert(place_keeping(code, size, place_argument(4), &at));
	cr_expect_eq(at.offset, 0);
}

Test(place, targets_are_calls_and_jumps_that_leave)
{
	/* call +256; jmp -16; je 0 (within) */
	CODE(0xe8, 0xfb, 0x00, 0x00, 0x00, 0xeb, 0xe9, 0x74, 0xf7);
	int64_t to[2];

	cr_assert_eq(place_targets(code, size, to, 2), 2);
	cr_expect_eq(to[0], 256);
	cr_expect_eq(to[1], -16);
}
