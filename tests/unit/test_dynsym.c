/*
 * Where files have the symbols that they export.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>

#include "profiler/base/err.h"
#include "profiler/sym/dynsym.h"

Test(dynsym, exported_functions_and_data_are_where_the_loader_finds_them)
{
	const char *const names[] = { "malloc", "no_such_symbol", "environ" };
	struct err err = ERR_INIT;
	/* By name: what a sanitizer puts in front has symbols of its own. */
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	struct link_map *map = libc;
	uint64_t at[3];

	cr_assert_not_null(libc);
	cr_assert_eq(dynsym_find(map->l_name, names, 3, at, &err), 2, "%s",
		     err.text);
	cr_expect_eq(map->l_addr + at[0], (uintptr_t)dlsym(libc, "malloc"));
	cr_expect_eq(at[1], 0);
	cr_expect_neq(at[2], 0);
	dlclose(libc);
}

Test(dynsym, what_is_no_elf_file_is_refused)
{
	const char *const names[] = { "malloc" };
	struct err err = ERR_INIT;
	uint64_t at;

	cr_expect_lt(dynsym_find("/etc/passwd", names, 1, &at, &err), 0);
	cr_expect_lt(dynsym_find("/nowhere", names, 1, &at, &err), 0);
	cr_expect_neq(err.text[0], 0);
}
