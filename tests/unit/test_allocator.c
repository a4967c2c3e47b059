/*
 * Which functions of a file are taken for its allocator.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>

#include "bpf/heap.h"
#include "profiler/probe/allocator.h"

static size_t functions_of_libc(struct allocator_function *out)
{
	struct link_map *map;
	Dl_info info;

	cr_assert_neq(dladdr1((void *)atoi, &info, (void **)&map,
			      RTLD_DL_LINKMAP),
		      0);
	return allocator_functions(map->l_name, out);
}

static size_t count_of(const struct allocator_function *f, size_t count,
		       enum heap_kind kind)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += f[i].kind == kind;
	return found;
}

Test(allocator, libc_allocates_and_releases)
{
	struct allocator_function f[ALLOCATOR_FUNCTIONS_MOST];
	size_t count = functions_of_libc(f);

	cr_expect_geq(count_of(f, count, HEAP_ALLOC), 2);
	cr_expect_eq(count_of(f, count, HEAP_ARRAY), 1);
	cr_expect_eq(count_of(f, count, HEAP_RESIZE), 1);
	cr_expect_eq(count_of(f, count, HEAP_STORE), 1);
	cr_expect_geq(count_of(f, count, HEAP_RELEASE), 1);
}

Test(allocator, no_place_is_taken_twice)
{
	struct allocator_function f[ALLOCATOR_FUNCTIONS_MOST];
	size_t count = functions_of_libc(f);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			cr_expect_neq(f[i].offset, f[k].offset);
}

Test(allocator, a_program_without_one_has_no_functions)
{
	struct allocator_function f[ALLOCATOR_FUNCTIONS_MOST];

	cr_expect_eq(allocator_functions("/bin/true", f), 0);
	cr_expect_eq(allocator_functions("/nowhere", f), 0);
}
