#include "profiler/trace/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/trace/fold_state.h"

int checkpoint_init(struct checkpoint *c, const struct slab_file *header)
{
	*c = (struct checkpoint) { .fold = fold_new(header, FOLD_WINDOW_NS) };
	return c->fold ? 0 : -ENOMEM;
}

void checkpoint_fini(struct checkpoint *c)
{
	fold_free(c->fold);
	vec_free(&c->cursors.at);
	vec_free(&c->slabs.kept);
	*c = (struct checkpoint) { 0 };
}

struct survey {
	struct checkpoint *checkpoint;
	struct hash *known; /* slab number -> 0 */
	uint64_t nodes;	    /* that there is room for in the NODES slabs */
	slabfile_visit *other;
	void *context;
};

static int visit(void *context, uint64_t number, const struct slab_head *head)
{
	struct survey *s = context;
	struct cursor *cursor;

	if (head->kind == SLAB_NODES && head->seq < FOLD_NODE_MAX &&
	    s->nodes < (head->seq + 1) * WIRE_NODES_PER_SLAB)
		s->nodes = (head->seq + 1) * WIRE_NODES_PER_SLAB;
	if (head->kind != SLAB_EVENTS)
		return s->other ? s->other(s->context, number, head) : 0;
	if (hash_find(s->known, number))
		return 0;
	cursor = vec_push(&s->checkpoint->cursors.at);
	if (!cursor)
		return -ENOMEM;
	cursor->slab = number;
	cursor->ticks = head->first_ticks;
	cursor->tid = head->tid;
	return 0;
}

int checkpoint_survey(struct checkpoint *c, int fd, slabfile_visit *other,
		      void *context)
{
	struct survey s = { .checkpoint = c,
			    .known = hash_new(),
			    .other = other,
			    .context = context };
	const struct cursor *cursor;
	int rc = s.known ? 0 : -ENOMEM;

	vec_foreach (&c->cursors.at, cursor)
		if (rc == 0)
			rc = hash_set(s.known, cursor->slab, 0);
	c->bad_heads = 0;
	if (rc == 0)
		rc = slabfile_scan(fd, &c->slabs, &c->bad_heads, visit, &s);
	hash_free(s.known);
	/* Nodes are written before a record names them. */
	c->fold->node_limit =
		(uint32_t)(s.nodes < FOLD_NODE_MAX ? s.nodes : FOLD_NODE_MAX);
	return rc;
}

static int by_ticks(const void *a, const void *b)
{
	const struct cursor *x = a, *y = b;

	if (x->ticks != y->ticks)
		return x->ticks < y->ticks ? -1 : 1;
	return x->slab < y->slab ? -1 : x->slab > y->slab;
}

int checkpoint_fold(struct checkpoint *c, int fd, uint64_t until)
{
	if (c->cursors.at.count)
		qsort(c->cursors.at.at, c->cursors.at.count,
		      sizeof(*c->cursors.at.at), by_ticks);
	return events_fold(fd, &c->cursors, c->fold, until);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void checkpoint_forget(struct checkpoint *c, const uint64_t *numbers,
		       size_t count)
{
	size_t to = 0;

	for (size_t i = 0; count && i < c->cursors.at.count; i++)
		if (!bsearch(&c->cursors.at.at[i].slab, numbers, count,
			     sizeof(*numbers), by_number))
			c->cursors.at.at[to++] = c->cursors.at.at[i];
	if (count)
		c->cursors.at.count = to;
	slabfile_forget(&c->slabs, numbers, count);
}
