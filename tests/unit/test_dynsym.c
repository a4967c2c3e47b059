/*
 * Where files have the symbols that they export.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include "profiler/base/err.h"
#include "profiler/sym/dynsym.h"

Test(dynsym, exported_functions_and_data_are_where_the_loader_finds_them)
{
	const char *const names[] = { "malloc", "no_such_symbol", "environ" };
	struct err err = ERR_INIT;
	struct link_map *map;
	uint64_t at[3];
	Dl_info info;

	cr_assert_neq(dladdr1((void *)atoi, &info, (void **)&map,
			      RTLD_DL_LINKMAP),
		      0);
	cr_assert_eq(dynsym_find(map->l_name, names, 3, at, &err), 2, "%s",
		     err.text);
	cr_expect_eq(map->l_addr + at[0],
		     (uintptr_t)dlsym(RTLD_DEFAULT, "malloc"));
	cr_expect_eq(at[1], 0);
	cr_expect_neq(at[2], 0);
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
