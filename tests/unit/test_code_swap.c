/* Which threads stand in the way of bytes that are to be changed. */
#include <criterion/criterion.h>

#include "profiler/attach/code_swap.h"
#include "profiler/wire/late.h"

static const struct late_code codes[] = {
	{ .address = 0x1000, .size = 5, .moved = 7 },
	{ .address = 0x2004, .size = 5, .moved = 5 },
};

Test(code_swap, a_thread_about_to_enter_is_in_nobodys_way)
{
	cr_expect_not(code_swap_is_amid(codes, 2, 0x1000));
	cr_expect_not(code_swap_is_amid(codes, 2, 0x2004));
}

Test(code_swap, a_thread_past_the_first_instruction_is)
{
	cr_expect(code_swap_is_amid(codes, 2, 0x1001));
	cr_expect(code_swap_is_amid(codes, 2, 0x1006));
	cr_expect(code_swap_is_amid(codes, 2, 0x2008));
}

Test(code_swap, one_past_what_is_moved_is_not)
{
	cr_expect_not(code_swap_is_amid(codes, 2, 0x1007));
	cr_expect_not(code_swap_is_amid(codes, 2, 0x2009));
	cr_expect_not(code_swap_is_amid(codes, 2, 0xfff));
}
