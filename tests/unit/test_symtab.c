#include "profiler/sym/symtab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/err.h"

static char path[64];

static void scratch_file(void)
{
	strcpy(path, "/tmp/strandline-symbols.XXXXXX");
	close(mkstemp(path));
}

static void scratch_gone(void)
{
	unlink(path);
}

TestSuite(symtab, .init = scratch_file, .fini = scratch_gone);

__attribute__((noinline)) static int known_function(int x)
{
	return x * 3 + 1;
}

__attribute__((noinline)) static const char *return_address(void)
{
	return __builtin_return_address(0);
}

__attribute__((always_inline)) static inline const char *inner(void)
{
	const char *pc = return_address();

	return pc - 1;
}

__attribute__((always_inline)) static inline const char *middle(void)
{
	return inner();
}

__attribute__((noinline)) static const char *outer(void)
{
	return middle();
}

/* The vaddr of an address of this program. */
static uint64_t vaddr_of(const void *address)
{
	return (uint64_t)address - _r_debug.r_map->l_addr;
}

static int own_module(struct symtab *st)
{
	static char exe[256];
	struct symtab_module m = { .path = exe };

	exe[readlink("/proc/self/exe", exe, sizeof(exe) - 1)] = 0;
	return symtab_module(st, &m);
}

Test(symtab, a_function_is_found_with_its_file_and_line)
{
	struct symtab *st = symtab_new("");
	struct symbol out[SYMBOL_MAX_INLINED];
	int module = own_module(st);

	cr_assert_eq(known_function(1), 4);
	cr_assert_geq(symtab_resolve(st, module,
				     vaddr_of((void *)known_function), out),
		      1u);
	cr_expect_str_eq(out[0].function, "known_function");
	cr_expect_not_null(strstr(out[0].file, "test_symtab.c"));
	cr_expect_gt(out[0].line, 0u);
	symtab_free(st);
}

Test(symtab, each_of_nested_inlined_calls_is_told)
{
	struct symtab *st = symtab_new("");
	struct symbol out[SYMBOL_MAX_INLINED];
	size_t count =
		symtab_resolve(st, own_module(st), vaddr_of(outer()), out);

	cr_assert_eq(count, 3);
	cr_expect_str_eq(out[0].function, "inner");
	cr_expect_str_eq(out[1].function, "middle");
	cr_expect_str_eq(out[2].function, "outer");
	cr_expect(out[0].inlined && out[1].inlined && !out[2].inlined);
	cr_expect(out[0].line < out[1].line && out[1].line < out[2].line);
	symtab_free(st);
}

Test(symtab, a_module_has_one_id)
{
	struct symtab *st = symtab_new("");
	struct symtab_module a = { .path = "/a" }, b = { .path = "/b" };
	int first = symtab_module(st, &a);

	cr_expect_eq(symtab_module(st, &a), first);
	cr_expect_neq(symtab_module(st, &b), first);
	symtab_free(st);
}

Test(symtab, a_missing_file_is_a_problem_and_no_name)
{
	struct symtab *st = symtab_new("");
	struct symtab_module m = { .path = "/nowhere/libgone.so" };
	struct symbol out[SYMBOL_MAX_INLINED];
	int module = symtab_module(st, &m);

	cr_assert_eq(symtab_resolve(st, module, 0x1000, out), 1u);
	cr_expect_null(out[0].function);
	cr_expect_not_null(strstr(symtab_problem(st, module), "libgone.so"));
	symtab_free(st);
}

Test(symtab, a_replaced_file_is_a_problem)
{
	static const uint8_t other[20] = { 1, 2, 3 };
	struct symtab *st = symtab_new("");
	struct symtab_module m = { "/proc/self/exe", other, sizeof(other) };
	struct symbol out[SYMBOL_MAX_INLINED];
	int module = symtab_module(st, &m);

	symtab_resolve(st, module, vaddr_of((void *)known_function), out);
	cr_expect_null(out[0].function);
	cr_expect_not_null(strstr(symtab_problem(st, module), "replaced"));
	symtab_free(st);
}

Test(symtab, saved_names_are_read_without_the_file)
{
	struct err err = ERR_INIT;
	struct symbol out[SYMBOL_MAX_INLINED];
	struct symtab *st = symtab_new(""), *other = symtab_new("/nowhere");
	uint64_t vaddr = vaddr_of((void *)known_function);

	symtab_resolve(st, own_module(st), vaddr, out);
	cr_assert_eq(symtab_save(st, path, &err), 0, "%s", err.text);
	cr_assert_eq(symtab_load(other, path, &err), 0, "%s", err.text);
	symtab_resolve(other, own_module(other), vaddr, out);
	cr_expect_str_eq(out[0].function, "known_function");
	symtab_free(st);
	symtab_free(other);
}

static int load_text(const char *text, struct err *err)
{
	struct symtab *st = symtab_new("");
	FILE *f = fopen(path, "w");
	int rc;

	fputs(text, f);
	fclose(f);
	rc = symtab_load(st, path, err);
	symtab_free(st);
	return rc;
}

Test(symtab, a_damaged_file_is_refused_with_its_line)
{
	struct err err = ERR_INIT;

	cr_expect_eq(load_text("nonsense\n", &err), -EBADMSG);
	cr_expect_eq(load_text("strandline-symbols 1\nS zz\n", &err), -EBADMSG);
	cr_expect_not_null(strstr(err.text, "line 2"), "%s", err.text);
	cr_expect_eq(load_text("strandline-symbols 1\nS 10 0 0 0\tf\t\t\n",
			       &err),
		     -EBADMSG, "a symbol before any module");
}

Test(symtab, no_saved_names_is_no_error_sentence)
{
	struct err err = ERR_INIT;
	struct symtab *st = symtab_new("");

	cr_expect_eq(symtab_load(st, "/nowhere/symbols", &err), -ENOENT);
	cr_expect_eq(err.code, 0);
	symtab_free(st);
}
