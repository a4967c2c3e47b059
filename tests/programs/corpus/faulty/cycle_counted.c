/*
 * Nodes with counts: a parent and its child hold each other.
 *
 * class: leak
 * function: new_node
 * bytes: 192
 * hides: the code releases all it took; the counts just never come to 0.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

struct node {
	unsigned count;
	struct node *peer;
	char body[80];
};

NOINLINE static struct node *new_node(void)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		give_up("out of memory");
	n->count = 1;
	return n;
}

static struct node *hold(struct node *n)
{
	n->count++;
	return n;
}

static void release(struct node *n)
{
	if (--n->count)
		return;
	release(n->peer);
	free(n);
}

void case_request(struct request *r)
{
	struct node *parent = new_node(), *child = new_node();

	(void)r;
	parent->peer = hold(child);
	child->peer = hold(parent);
	release(child);
	release(parent);
}
