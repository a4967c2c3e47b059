/*
 * tree: the rows of a module's .eh_frame as a search tree of blocks.
 */
#include "profiler/probe/tree.h"

#include <errno.h>
#include <string.h>

struct flat { /* a row of the tree: from @key up to the next one's */
	uint32_t key;
	uint64_t value;
};

struct flats {
	VEC(struct flat) rows;
};

bool tree_visit(void *context, uint64_t start, uint64_t end,
		struct cfi_rule rule)
{
	struct tree_rows *rows = context;
	struct tree_row *row;

	if (start >= end || end > UINT32_MAX)
		return true;
	row = vec_push(&rows->rows);
	if (!row) {
		rows->failed = true;
		return false;
	}
	*row = (struct tree_row) { start, end, cfi_pack(rule) };
	return true;
}

static int by_start(const void *a, const void *b)
{
	const struct tree_row *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* From @key on it is @value; -ENOMEM. */
static int put(struct flats *to, uint64_t key, uint64_t value)
{
	struct flat *last =
		to->rows.count ? &to->rows.at[to->rows.count - 1] : NULL;

	if (last && last->key == (uint32_t)key) {
		last->value = value;
		return 0;
	}
	if (last && last->value == value)
		return 0;
	last = vec_push(&to->rows);
	if (!last)
		return -ENOMEM;
	*last = (struct flat) { (uint32_t)key, value };
	return 0;
}

static int flatten(struct flats *to, struct tree_rows *from)
{
	const uint64_t none = cfi_pack((struct cfi_rule) { .kind = CFI_NONE });
	const struct tree_row *row;
	uint64_t end = 0;
	int rc = 0;

	if (from->rows.count)
		qsort(from->rows.at, from->rows.count, sizeof(*from->rows.at),
		      by_start);
	vec_foreach (&from->rows, row) {
		uint64_t start = row->start > end ? row->start : end;

		if (row->start > end && rc == 0)
			rc = put(to, end, none);
		if (row->end > end && rc == 0)
			rc = put(to, start, row->rule);
		end = row->end > end ? row->end : end;
	}
	return rc < 0 ? rc : put(to, end, none);
}

static void fill(struct stack_block *block, const struct flat *from,
		 size_t count)
{
	memset(block, 0xff, sizeof(*block));
	for (size_t i = 0; i < count; i++) {
		block->key[i] = from[i].key;
		block->value[i] = from[i].value;
	}
}

static size_t blocks_of(size_t rows)
{
	return (rows + STACK_FANOUT - 1) / STACK_FANOUT;
}

/*
 * Level upon level, leaves last: those of one level stand side by side, so a
 * block's children begin where the level below it does.
 */
static int lay_out(struct tree *tree, struct flats *leaf)
{
	size_t at[STACK_DEPTH_MOST], rows[STACK_DEPTH_MOST];
	unsigned depth = 1;

	rows[0] = leaf->rows.count;
	while (rows[depth - 1] > STACK_FANOUT) {
		if (depth == STACK_DEPTH_MOST)
			return -E2BIG;
		rows[depth] = blocks_of(rows[depth - 1]);
		depth++;
	}
	tree->depth = depth;
	for (unsigned level = depth; level-- > 0;) {
		at[level] = tree->count;
		tree->count += (uint32_t)blocks_of(rows[level]);
	}
	tree->blocks = calloc(tree->count, sizeof(*tree->blocks));
	if (!tree->blocks)
		return -ENOMEM;
	for (unsigned level = 0; level < depth; level++) {
		size_t blocks = blocks_of(rows[level]);

		for (size_t b = 0; b < blocks; b++) {
			struct flat *from = &leaf->rows.at[b * STACK_FANOUT];
			size_t left = rows[level] - b * STACK_FANOUT;

			fill(&tree->blocks[at[level] + b], from,
			     left < STACK_FANOUT ? left : STACK_FANOUT);
			/* What the level above says of this block. */
			leaf->rows.at[b] =
				(struct flat) { from->key, at[level] + b };
		}
	}
	return 0;
}

int tree_build(struct tree *tree, struct tree_rows *rows)
{
	struct flats flats = { VEC_INIT };
	int rc = rows->failed ? -ENOMEM : 0;

	*tree = (struct tree) { 0 };
	if (rc == 0 && rows->rows.count)
		rc = flatten(&flats, rows);
	tree->rows = flats.rows.count;
	if (rc == 0 && tree->rows)
		rc = lay_out(tree, &flats);
	vec_free(&flats.rows);
	if (rc < 0)
		tree_fini(tree);
	return rc;
}

void tree_fini(struct tree *tree)
{
	free(tree->blocks);
	*tree = (struct tree) { 0 };
}

static unsigned last_not_past(const struct stack_block *block, uint64_t key)
{
	unsigned at = 0;

	for (unsigned bit = STACK_FANOUT / 2; bit; bit /= 2)
		if (block->key[at | bit] <= key)
			at |= bit;
	return at;
}

uint64_t tree_find(const struct tree *tree, uint64_t vaddr)
{
	uint64_t value = 0;

	for (uint32_t level = 0; level < tree->depth; level++) {
		const struct stack_block *block = &tree->blocks[value];
		unsigned at = last_not_past(block, vaddr);

		if (block->key[at] > vaddr)
			return 0;
		value = block->value[at];
	}
	return value;
}
