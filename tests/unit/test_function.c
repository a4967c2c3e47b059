/*
 * Functions found by their names, in this very program.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "profiler/base/err.h"
#include "profiler/sym/function.h"

#define SELF "/proc/self/exe"

int function_that_is_looked_for(int x);
__attribute__((noinline, used)) int function_that_is_looked_for(int x)
{
	__asm__ volatile("");
	return x + 1;
}

Test(function, one_is_found_with_its_code)
{
	struct function f;
	struct err err = ERR_INIT;

	cr_assert_eq(function_find(SELF, "function_that_is_looked_for", &f, 1,
				   &err),
		     1, "%s", err.text);
	cr_expect_str_eq(f.name, "function_that_is_looked_for");
	cr_expect_not(f.mangled);
	cr_assert_gt(f.code_size, 0);
	cr_expect_eq(f.code_size, f.size);
	cr_expect_arr_eq(f.code, (void *)function_that_is_looked_for,
			 f.code_size);
	function_fini(&f);
}

Test(function, what_lies_at_an_address_is_the_same_code)
{
	struct function f, g;
	struct err err = ERR_INIT;

	cr_assert_eq(function_find(SELF, "function_that_is_looked_for", &f, 1,
				   &err),
		     1);
	cr_assert_eq(function_at(SELF, f.vaddr, &g, &err), 0, "%s", err.text);
	cr_expect_eq(g.offset, f.offset);
	cr_expect_arr_eq(g.code, f.code, f.code_size);
	function_fini(&f);
	function_fini(&g);
}

Test(function, a_part_of_a_name_is_no_name)
{
	struct function f;

	cr_expect_eq(function_find(SELF, "function_that_is", &f, 1, NULL), 0);
}

Test(function, a_file_that_is_no_program_is_named)
{
	struct function f;
	struct err err = ERR_INIT;

	cr_expect_eq(function_find("/proc/self/maps", "f", &f, 1, &err),
		     -EBADMSG);
	cr_expect_str_eq(err.text, "/proc/self/maps is no ELF file");
}

Test(function, code_outside_the_file_is_none)
{
	struct function f;
	struct err err = ERR_INIT;

	cr_expect_eq(function_at(SELF, 1ULL << 60, &f, &err), -ENOENT);
	cr_expect_null(f.code);
}
