/*
 * tree: the rows of a module's .eh_frame as a search tree of blocks, which
 * programs in the kernel walk (bpf/stack.h).
 *
 * Rows are collected in any order; those that say the same as the one before
 * are left out, and code between them gets a row without a rule.
 */
#ifndef STRANDLINE_PROBE_TREE_H
#define STRANDLINE_PROBE_TREE_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/stack.h"
#include "profiler/base/vec.h"
#include "profiler/unwind/cfi.h"

struct tree_row {
	uint64_t start, end; /* [start, end) of the module's vaddrs */
	uint64_t rule;	     /* packed */
};

struct tree_rows {
	VEC(struct tree_row) rows;
	bool failed; /* out of memory */
};

/* As cfi_each() wants it; @context is a struct tree_rows. */
bool tree_visit(void *context, uint64_t start, uint64_t end,
		struct cfi_rule rule);

struct tree {
	struct stack_block *blocks; /* 0 is the root */
	uint32_t count;
	uint32_t depth; /* 1 to STACK_DEPTH_MOST; 0: no rows */
	size_t rows;
};

/*
 * Lay out @rows, whose order it changes.  -ENOMEM, or -E2BIG for more rows
 * than a tree holds.
 */
int tree_build(struct tree *tree, struct tree_rows *rows);
void tree_fini(struct tree *tree);
/* The packed rule for @vaddr, as a program in the kernel finds it. */
uint64_t tree_find(const struct tree *tree, uint64_t vaddr);

#endif
