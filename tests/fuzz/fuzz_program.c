/*
 * Any bytes as a program whose rules are laid out for the kernel: no fault, no
 * read outside, and a tree in which every address has a place.
 *
 * Reaches probe/program and probe/tree.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "profiler/probe/program.h"

static void check_block(const struct tree *tree, uint64_t number,
			uint32_t level)
{
	const struct stack_block *block = &tree->blocks[number];

	if (number >= tree->count)
		abort();
	for (unsigned i = 1; i < STACK_FANOUT; i++)
		if (block->key[i] < block->key[i - 1])
			abort();
	if (level + 1 == tree->depth)
		return;
	for (unsigned i = 0; i < STACK_FANOUT; i++)
		if (block->key[i] != UINT32_MAX)
			check_block(tree, block->value[i], level + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program;
	uint64_t vaddr;

	if (size > 1 << 20 || program_parse(&program, data, size) < 0)
		return 0;
	if (program.build_id_size > sizeof(program.build_id))
		abort();
	if (program.tree.depth)
		check_block(&program.tree, 0, 0);
	for (uint64_t offset = 0; offset < size; offset += 512) {
		(void)program_vaddr(&program, offset, &vaddr);
		(void)tree_find(&program.tree, offset);
	}
	program_fini(&program);
	return 0;
}
