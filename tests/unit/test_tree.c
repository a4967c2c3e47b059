/*
 * The search tree of unwinding rules that programs in the kernel walk.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "profiler/probe/program.h"
#include "profiler/probe/tree.h"

static const struct cfi_rule sp8 = { .kind = CFI_SP, .cfa = 8 };
static const struct cfi_rule bp16 = { .kind = CFI_BP, .cfa = 16 };

static struct tree built(struct tree_rows *rows)
{
	struct tree tree;

	cr_assert_eq(tree_build(&tree, rows), 0);
	vec_free(&rows->rows);
	return tree;
}

Test(tree, a_row_holds_from_its_start_to_its_end)
{
	struct tree_rows rows = { 0 };
	struct tree tree;

	tree_visit(&rows, 0x2000, 0x2010, bp16);
	tree_visit(&rows, 0x1000, 0x1010, sp8);
	tree = built(&rows);
	cr_expect_eq(tree_find(&tree, 0xfff), 0);
	cr_expect_eq(tree_find(&tree, 0x1000), cfi_pack(sp8));
	cr_expect_eq(tree_find(&tree, 0x100f), cfi_pack(sp8));
	cr_expect_eq(tree_find(&tree, 0x1010), 0);
	cr_expect_eq(tree_find(&tree, 0x200f), cfi_pack(bp16));
	cr_expect_eq(tree_find(&tree, 0x2010), 0);
	cr_expect_eq(tree_find(&tree, UINT32_MAX - 1), 0);
	tree_fini(&tree);
}

Test(tree, neighbours_that_say_the_same_are_one_row)
{
	struct tree_rows rows = { 0 };
	struct tree tree;

	tree_visit(&rows, 0, 0x10, sp8);
	tree_visit(&rows, 0x10, 0x20, sp8);
	tree = built(&rows);
	cr_expect_eq(tree.rows, 2); /* and that nothing is said behind it */
	tree_fini(&tree);
}

Test(tree, of_rows_that_overlap_the_one_that_begins_first_holds)
{
	struct tree_rows rows = { 0 };
	struct tree tree;

	tree_visit(&rows, 0x10, 0x30, sp8);
	tree_visit(&rows, 0x20, 0x40, bp16);
	tree = built(&rows);
	cr_expect_eq(tree_find(&tree, 0x2f), cfi_pack(sp8));
	cr_expect_eq(tree_find(&tree, 0x30), cfi_pack(bp16));
	tree_fini(&tree);
}

Test(tree, a_hundred_thousand_rows_take_three_levels_and_are_found)
{
	struct tree_rows rows = { 0 };
	struct tree tree;
	size_t wrong = 0;

	for (uint32_t i = 1; i <= 100000; i++) {
		struct cfi_rule rule = { .kind = CFI_SP,
					 .cfa = (int32_t)i * 8 };

		tree_visit(&rows, i * 16, i * 16 + 16, rule);
	}
	tree = built(&rows);
	cr_expect_eq(tree.depth, 3);
	for (uint32_t i = 1; i <= 100000; i++)
		wrong += cfi_unpack(tree_find(&tree, i * 16 + 15)).cfa !=
			 (int32_t)i * 8;
	cr_expect_eq(wrong, 0);
	tree_fini(&tree);
}

Test(tree, no_rows_make_no_tree)
{
	struct tree_rows rows = { 0 };
	struct tree tree = built(&rows);

	cr_expect_eq(tree.depth, 0);
	cr_expect_eq(tree_find(&tree, 1), 0);
}

Test(program, this_test_has_rules_and_segments)
{
	struct program program;
	uint64_t vaddr;
	int fd = open("/proc/self/exe", O_RDONLY);

	cr_assert_eq(program_read(&program, fd), 0);
	cr_expect_geq(program.tree.depth, 1);
	cr_expect(program_vaddr(&program, 0, &vaddr));
	cr_expect_not(program_vaddr(&program, UINT32_MAX, &vaddr));
	program_fini(&program);
	close(fd);
}

Test(program, what_is_no_program_is_refused)
{
	struct program program;

	cr_expect_eq(program_parse(&program, "no program", 10), -ENOEXEC);
	cr_expect_eq(program_parse(&program, "\177ELF\2\1\1", 7), -ENOEXEC);
}
