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
