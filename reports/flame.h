/*
 * flame: the sites of a model as one weighted tree, for folded stacks and
 * flame graphs.
 *
 * Frames that look the same to the reader are one node: native frames of one
 * function are merged whatever their line, so a function called from two
 * lines is one box.  Nodes are depth-first, children sorted by label, so equal
 * models give equal trees.
 */
#ifndef STRANDLINE_REPORTS_FLAME_H
#define STRANDLINE_REPORTS_FLAME_H

#include "profiler/model/model.h"

struct report_options;

enum flame_merge {
	FLAME_BY_LABEL,	 /* equal labels are one, whatever the module */
	FLAME_BY_MODULE, /* equal labels in one module and file are one */
};

struct flame_node {
	uint32_t parent; /* MODEL_NONE at the root, which is node 0 */
	uint32_t depth;	 /* 0 at the root */
	uint32_t frame;	 /* one of those merged; MODEL_NONE at the root */
	uint32_t line;	 /* 0: unknown, or several */
	const char *label;
	double self, total;
};

struct flame;

/* 0 or -ENOMEM.  Stacks of no weight are left out. */
int flame_new(struct flame **out, const struct model *m,
	      const struct report_options *opt, enum flame_merge merge);
void flame_free(struct flame *f); /* NULL is fine */
const struct flame_node *flame_nodes(const struct flame *f, size_t *count);

#endif
