/*
 * flame: see flame.h.
 *
 * Built in two passes: nodes in order of first sight, found through a map of
 * (parent, label); then laid out again, depth-first and sorted.
 */
#include "reports/flame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/hash.h"
#include "profiler/base/intern.h"
#include "profiler/base/vec.h"
#include "reports/formats.h"
#include "reports/names.h"

struct flame {
	struct intern *texts; /* labels, and the keys frames are merged by */
	struct flame_node *nodes;
	size_t count;
};

struct builder {
	const struct model *m;
	const struct report_options *opt;
	enum flame_merge merge;
	struct flame *flame;
	struct hash *children;	      /* parent << 32 | key -> node */
	uint32_t *keys;		      /* of each frame; INTERN_NONE: unset */
	uint32_t *places;	      /* of each model node: its flame node */
	VEC(struct flame_node) nodes; /* in order of first sight */
};

/*
 * The text by which @frame is merged.  It begins with the label and a NUL, so
 * it is the label, too, wherever a C string is read.
 */
static uint32_t frame_key(struct builder *b, uint32_t frame)
{
	const struct model_frame *f = &b->m->frames[frame];
	struct buf text = BUF_INIT;

	if (b->keys[frame] != INTERN_NONE)
		return b->keys[frame];
	name_put_label(&text, f);
	if (b->merge == FLAME_BY_MODULE) {
		buf_putc(&text, '\0');
		buf_puts(&text, f->module);
		buf_putc(&text, '\0');
		buf_puts(&text, f->file ? f->file : "");
		buf_putc(&text, (char)('0' + f->module_kind));
	}
	if (buf_status(&text) == 0)
		b->keys[frame] =
			intern_id_len(b->flame->texts, text.bytes, text.len);
	buf_free(&text);
	return b->keys[frame];
}

/* The child of @parent for @frame; MODEL_NONE when out of memory. */
static uint32_t child_of(struct builder *b, uint32_t parent, uint32_t frame)
{
	uint32_t key = frame_key(b, frame), node = (uint32_t)b->nodes.count;
	const struct model_frame *f = &b->m->frames[frame];
	struct flame_node *fresh;
	uint64_t *known;

	if (key == INTERN_NONE)
		return MODEL_NONE;
	known = hash_find(b->children, (uint64_t)parent << 32 | key);
	if (known) {
		if (b->nodes.at[*known].line != f->line)
			b->nodes.at[*known].line = 0;
		return (uint32_t)*known;
	}
	fresh = vec_push(&b->nodes);
	if (!fresh ||
	    hash_set(b->children, (uint64_t)parent << 32 | key, node) < 0)
		return MODEL_NONE;
	*fresh = (struct flame_node) {
		.parent = parent,
		.depth = b->nodes.at[parent].depth + 1,
		.frame = frame,
		.line = f->line,
		.label = intern_text(b->flame->texts, key),
	};
	return node;
}

static int add_nodes(struct builder *b)
{
	struct flame_node *root = vec_push(&b->nodes);

	if (!root)
		return -ENOMEM;
	*root = (struct flame_node) { .parent = MODEL_NONE,
				      .frame = MODEL_NONE,
				      .label = "all" };
	for (uint32_t i = 0; i < b->m->node_count; i++) {
		const struct model_node *n = &b->m->nodes[i];
		uint32_t above =
			n->parent == MODEL_NONE ? 0 : b->places[n->parent];

		b->places[i] = report_hides(b->opt, &b->m->frames[n->frame])
				       ? above
				       : child_of(b, above, n->frame);
		if (b->places[i] == MODEL_NONE)
			return -ENOMEM;
	}
	return 0;
}

static void add_weights(struct builder *b)
{
	struct flame_node *nodes = b->nodes.at;

	for (uint32_t i = 0; i < b->m->site_count; i++) {
		const struct model_site *s = &b->m->sites[i];
		double weight = model_site_weight(s, b->opt->kind);

		if (weight > 0)
			nodes[b->places[s->node]].self += weight;
	}
	/* A parent was seen before its children. */
	for (size_t i = b->nodes.count; i-- > 0;) {
		nodes[i].total += nodes[i].self;
		if (i > 0)
			nodes[nodes[i].parent].total += nodes[i].total;
	}
}

/* By parent, then as the reader sees them; equal only to itself. */
static int compare(const void *a, const void *b, void *builder)
{
	const struct builder *with = builder;
	const struct flame_node *x = &with->nodes.at[*(const uint32_t *)a];
	const struct flame_node *y = &with->nodes.at[*(const uint32_t *)b];
	const struct model_frame *f, *g;
	int order;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	order = strcmp(x->label, y->label);
	if (order != 0 || x == y)
		return order;
	f = &with->m->frames[x->frame];
	g = &with->m->frames[y->frame];
	order = strcmp(f->module, g->module);
	if (order == 0)
		order = strcmp(f->file ? f->file : "", g->file ? g->file : "");
	return order != 0 ? order : (int)f->module_kind - (int)g->module_kind;
}

/*
 * Lay the nodes that weigh something out again, depth-first.  In @sorted every
 * node's children stand side by side; @next is where each node's begin, and
 * then how far the walk has come (0, the root, where there are none).
 */
static size_t walk(const struct builder *b, const uint32_t *sorted,
		   uint32_t *next, uint32_t *moved, struct flame_node *to)
{
	const struct flame_node *from = b->nodes.at;
	uint32_t at = 0, child;
	size_t laid = 1;

	to[0] = from[0];
	moved[0] = 0;
	for (;;) {
		child = next[at] < b->nodes.count ? sorted[next[at]] : 0;
		if (child == 0 || from[child].parent != at) {
			if (at == 0)
				return laid;
			at = from[at].parent;
			continue;
		}
		next[at]++;
		if (from[child].total <= 0)
			continue;
		moved[child] = (uint32_t)laid;
		to[laid] = from[child];
		to[laid++].parent = moved[at];
		at = child;
	}
}

static int lay_out(struct builder *b)
{
	size_t count = b->nodes.count;
	uint32_t *sorted = malloc(count * sizeof(*sorted));
	uint32_t *next = calloc(count, sizeof(*next));
	uint32_t *moved = malloc(count * sizeof(*moved));
	struct flame *f = b->flame;

	f->nodes = malloc(count * sizeof(*f->nodes));
	if (sorted && next && moved && f->nodes) {
		for (uint32_t i = 0; i < count; i++)
			sorted[i] = i;
		qsort_r(sorted + 1, count - 1, sizeof(*sorted), compare, b);
		for (size_t i = count - 1; i > 0; i--)
			next[b->nodes.at[sorted[i]].parent] = (uint32_t)i;
		f->count = walk(b, sorted, next, moved, f->nodes);
	}
	free(sorted);
	free(next);
	free(moved);
	return f->count > 0 ? 0 : -ENOMEM;
}

static int build(struct builder *b)
{
	size_t frames = b->m->frame_count;
	int rc = -ENOMEM;

	b->flame->texts = intern_new();
	b->children = hash_new();
	b->keys = malloc((frames + 1) * sizeof(*b->keys));
	b->places = malloc((b->m->node_count + 1) * sizeof(*b->places));
	if (b->flame->texts && b->children && b->keys && b->places) {
		memset(b->keys, 0xff, frames * sizeof(*b->keys));
		rc = add_nodes(b);
	}
	if (rc == 0) {
		add_weights(b);
		rc = lay_out(b);
	}
	hash_free(b->children);
	free(b->keys);
	free(b->places);
	vec_free(&b->nodes);
	return rc;
}

int flame_new(struct flame **out, const struct model *m,
	      const struct report_options *opt, enum flame_merge merge)
{
	struct builder b = { .m = m, .opt = opt, .merge = merge };
	int rc;

	*out = NULL;
	b.flame = calloc(1, sizeof(*b.flame));
	if (!b.flame)
		return -ENOMEM;
	rc = build(&b);
	if (rc < 0)
		flame_free(b.flame);
	else
		*out = b.flame;
	return rc;
}

void flame_free(struct flame *f)
{
	if (!f)
		return;
	intern_free(f->texts);
	free(f->nodes);
	free(f);
}

const struct flame_node *flame_nodes(const struct flame *f, size_t *count)
{
	*count = f->count;
	return f->nodes;
}
