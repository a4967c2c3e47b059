/*
 * stacks: the calling-context trees of all processes, merged into one over
 * interned frames.
 *
 * The merged tree is then put in depth-first order with children
 * sorted by what they say, so that the order of arrival leaves no trace.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/model/build.h"
#include "profiler/model/frames.h"
#include "profiler/model/imported.h"
#include "profiler/model/splice.h"

struct node {
	uint32_t parent; /* index + 1; 0 a root */
	uint32_t frame;
	uint32_t child, sibling; /* index + 1 */
	uint32_t order;		 /* in the finished tree */
};

_Static_assert((int)MODEL_BLOCKED_CPU == (int)BLOCKED_RUNNABLE &&
		       (int)MODEL_BLOCKED_FILE == (int)BLOCKED_FILE &&
		       (int)MODEL_BLOCKED_KINDS == (int)BLOCKED_NREASONS,
	       "reasons are handed on as they are");

struct step { /* of a path */
	uint32_t frame, node;
};

struct builder {
	struct model *m;
	struct frames frames;
	VEC(struct node) nodes;
	VEC(struct step) last;	      /* the path that was added last */
	VEC(struct model_site) sites; /* node: index in nodes[] */
	VEC(struct build_part) parts; /* site: index in nodes[] till the end */
	VEC(struct model_slow_part) slow; /* node: index in nodes[] + 1, or 0 */
	struct hash *node_ids;		  /* parent, frame -> node */
	struct hash *site_ids;		  /* node -> site */
	bool failed;			  /* out of memory */
	bool paged;			  /* a probe looked at pages */
};

/* Node index + 1 of @frame called from @parent (index + 1, or 0). */
static uint32_t node_id(struct builder *b, uint32_t parent, uint32_t frame)
{
	uint64_t key = (uint64_t)parent << 32 | frame;
	uint64_t *found = hash_find(b->node_ids, key);
	struct node *n;

	if (found)
		return (uint32_t)*found;
	n = vec_push(&b->nodes);
	if (!n || hash_set(b->node_ids, key, b->nodes.count) < 0) {
		b->failed = true;
		return 0;
	}
	n->parent = parent;
	n->frame = frame;
	return (uint32_t)b->nodes.count;
}

static void sum_into(struct estimate *to, const struct fold_sum *from)
{
	to->bytes += from->bytes;
	to->bytes_variance += from->bytes_variance;
	to->count += from->count;
	to->count_variance += from->count_variance;
}

/* The site of @node; NULL when out of memory. */
static struct model_site *site_at(struct builder *b, uint32_t node)
{
	uint64_t *found = hash_find(b->site_ids, node);
	struct model_site *site;

	if (found)
		return &b->sites.at[*found];
	site = vec_push(&b->sites);
	if (!site || hash_set(b->site_ids, node, b->sites.count - 1) < 0) {
		b->failed = true;
		return NULL;
	}
	site->node = node - 1;
	site->unreachable.bytes = -1; /* until a scan was read */
	site->unreachable.count = site->unreachable.twice_bytes = -1;
	return site;
}

static void add_site(struct builder *b, uint32_t node,
		     const struct fold_stack *s)
{
	struct model_site *site = site_at(b, node);

	if (!site)
		return;
	site->samples += s->samples;
	sum_into(&site->live, &s->live);
	sum_into(&site->allocated, &s->allocated);
	sum_into(&site->peak, &s->peak);
	sum_into(&site->temporary, &s->temporary);
	site->mapped += s->mapped + s->heap_grown;
	site->descriptors += s->descriptors;
}

static void add_part(struct builder *b, uint32_t node, size_t image,
		     size_t stack)
{
	struct build_part *part = vec_push(&b->parts);

	if (part)
		*part = (struct build_part) { node - 1, (uint32_t)image,
					      (uint32_t)stack };
	else
		b->failed = true;
}

static void add_weight(struct builder *b, uint32_t node,
		       const struct trace_weight *w)
{
	struct model_site *site = site_at(b, node);

	if (!site)
		return;
	switch (w->kind) {
	case WEIGHT_CPU:
		site->cpu += (double)w->weight;
		break;
	case WEIGHT_OFFCPU:
		site->offcpu += (double)w->weight;
		break;
	case WEIGHT_RSS:
		site->resident += (double)w->weight;
		b->paged = true;
		break;
	default:
		return;
	}
	if (w->count > 0)
		site->samples += (uint64_t)w->count;
}

/*
 * The frames of a path, root first, as a chain of nodes; the innermost.  The
 * path before it mostly begins alike.
 */
static uint32_t add_path(struct builder *b, const uint32_t *path, size_t count)
{
	size_t same = 0;

	while (same < count && same < b->last.count &&
	       b->last.at[same].frame == path[same])
		same++;
	b->last.count = same;
	for (size_t i = same; i < count && !b->failed; i++) {
		uint32_t parent = i ? b->last.at[i - 1].node : 0;
		struct step *step = vec_push(&b->last);

		if (!step)
			b->failed = true;
		else
			*step = (struct step) { path[i],
						node_id(b, parent, path[i]) };
	}
	return count && !b->failed ? b->last.at[count - 1].node : 0;
}

/* The node that stands for node @wire of the recording; 0: out of memory. */
static uint32_t node_of(struct builder *b, struct splice *s, uint32_t wire)
{
	const uint32_t *path;
	size_t count = splice_path(s, wire, &path);
	uint32_t unknown;

	if (!count) {
		unknown = frames_marker(&b->frames, "[unknown]");
		path = &unknown;
		count = 1;
	}
	b->failed |= b->frames.failed;
	return b->failed ? 0 : add_path(b, path, count);
}

static void add_slow_part(struct builder *b, struct splice *s,
			  const struct wire_slow_part *from)
{
	struct model_slow_part *to = vec_push(&b->slow);

	if (!to) {
		b->failed = true;
		return;
	}
	*to = (struct model_slow_part) {
		.node = from->node ? node_of(b, s, from->node) : 0,
		.own = from->who != SLOW_OTHER,
		.waited = from->kind == WEIGHT_OFFCPU,
		.why = (enum model_blocked)from->why,
		.ms = (double)from->ns / 1e6,
		.count = from->count,
	};
}

static void add_stacks(struct builder *b, const struct trace_view *v,
		       size_t image, struct splice *s)
{
	const struct trace_image *im = &v->images[image];

	for (size_t i = 0; i < im->result.stack_count && !b->failed; i++) {
		const struct fold_stack *stack = &im->result.stacks[i];
		uint32_t node = node_of(b, s, stack->node);

		if (!node)
			break;
		add_site(b, node, stack);
		add_part(b, node, image, i);
	}
	for (size_t i = 0; i < im->weight_count && !b->failed; i++) {
		uint32_t node = node_of(b, s, im->weights[i].node);

		if (node)
			add_weight(b, node, &im->weights[i]);
	}
	for (size_t i = 0; i < im->slow_part_count && !b->failed; i++)
		add_slow_part(b, s, &im->slow_parts[i].part);
}

static int add_image(struct builder *b, const struct trace_view *v,
		     size_t image)
{
	struct splice *s =
		splice_new(&b->frames, &v->images[image], b->m->view);

	if (!s)
		return -ENOMEM;
	add_stacks(b, v, image, s);
	splice_free(s);
	return b->failed ? -ENOMEM : 0;
}

static int compare_text(const char *a, const char *b)
{
	return a == b ? 0 : strcmp(a ? a : "", b ? b : "");
}

static int compare_frames(const struct model_frame *x,
			  const struct model_frame *y)
{
	int c = compare_text(x->function, y->function);

	if (!c)
		c = compare_text(x->file, y->file);
	if (!c)
		c = compare_text(x->module, y->module);
	if (!c)
		c = x->line < y->line ? -1 : x->line > y->line;
	if (!c)
		c = (int)x->kind - (int)y->kind;
	return c ? c : (int)x->inlined - (int)y->inlined;
}

struct ranked {
	const struct model_frame *frame;
	uint32_t id;
};

static int by_frame(const void *a, const void *b)
{
	return compare_frames(((const struct ranked *)a)->frame,
			      ((const struct ranked *)b)->frame);
}

/* Frames sorted by content; the nodes follow.  0 or -ENOMEM. */
static int sort_frames(struct builder *b)
{
	size_t count = b->frames.list.count;
	struct ranked *ranked = calloc(count + 1, sizeof(*ranked));
	uint32_t *rank = calloc(count + 1, sizeof(*rank));
	struct model_frame *sorted = calloc(count + 1, sizeof(*sorted));
	struct node *n;

	if (!ranked || !rank || !sorted) {
		free(ranked);
		free(rank);
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++)
		ranked[i] =
			(struct ranked) { &b->frames.list.at[i], (uint32_t)i };
	qsort(ranked, count, sizeof(*ranked), by_frame);
	for (size_t i = 0; i < count; i++) {
		sorted[i] = *ranked[i].frame;
		rank[ranked[i].id] = (uint32_t)i;
	}
	vec_foreach (&b->nodes, n)
		n->frame = rank[n->frame];
	b->m->frames = sorted;
	b->m->frame_count = (uint32_t)count;
	free(ranked);
	free(rank);
	return 0;
}

struct keyed {
	uint32_t parent, frame, index;
};

static int by_parent_frame_down(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	if (x->frame != y->frame)
		return x->frame < y->frame ? 1 : -1;
	return 0;
}

/* Link children so that each list is in order of frame. */
static uint32_t link_children(struct builder *b)
{
	size_t count = b->nodes.count;
	struct keyed *keys = calloc(count + 1, sizeof(*keys));
	uint32_t roots = 0;

	if (!keys) {
		b->failed = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		keys[i] = (struct keyed) { b->nodes.at[i].parent,
					   b->nodes.at[i].frame, (uint32_t)i };
	qsort(keys, count, sizeof(*keys), by_parent_frame_down);
	for (size_t i = 0; i < count; i++) {
		struct node *n = &b->nodes.at[keys[i].index];
		uint32_t *head =
			n->parent ? &b->nodes.at[n->parent - 1].child : &roots;

		n->sibling = *head;
		*head = keys[i].index + 1;
	}
	free(keys);
	return roots;
}

/* Depth first, without recursion: trees are as deep as stacks. */
static int order_nodes(struct builder *b)
{
	uint32_t at = link_children(b), next = 0;

	b->m->nodes = calloc(b->nodes.count + 1, sizeof(*b->m->nodes));
	if (!b->m->nodes || b->failed)
		return -ENOMEM;
	while (at) {
		struct node *n = &b->nodes.at[at - 1];

		n->order = next;
		b->m->nodes[next++] = (struct model_node) {
			n->parent ? b->nodes.at[n->parent - 1].order
				  : MODEL_NONE,
			n->frame
		};
		if (n->child) {
			at = n->child;
			continue;
		}
		while (at && !b->nodes.at[at - 1].sibling)
			at = b->nodes.at[at - 1].parent;
		if (at)
			at = b->nodes.at[at - 1].sibling;
	}
	b->m->node_count = next;
	return 0;
}

static int by_node(const void *a, const void *b)
{
	const struct model_site *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

/* From nodes to the sites there, which are sorted by node. */
static void number_parts(struct builder *b)
{
	struct build_part *part;

	vec_foreach (&b->parts, part) {
		struct model_site key = {
			.node = b->nodes.at[part->site].order,
		};
		struct model_site *site =
			bsearch(&key, b->sites.at, b->sites.count, sizeof(key),
				by_node);

		part->site = (uint32_t)(site - b->sites.at);
	}
}

static int finish(struct builder *b)
{
	struct model_slow_part *slow;
	struct model_site *s;
	int rc = sort_frames(b);

	if (rc == 0)
		rc = order_nodes(b);
	if (rc < 0)
		return rc;
	vec_foreach (&b->sites, s) {
		s->node = b->nodes.at[s->node].order;
		s->paged = b->paged;
	}
	if (b->sites.count)
		qsort(b->sites.at, b->sites.count, sizeof(*b->sites.at),
		      by_node);
	number_parts(b);
	vec_foreach (&b->slow, slow)
		slow->node = slow->node ? b->nodes.at[slow->node - 1].order
					: MODEL_NONE;
	b->m->slow_parts = b->slow.at;
	b->slow.at = NULL;
	b->m->sites = b->sites.at;
	b->m->site_count = (uint32_t)b->sites.count;
	b->sites.at = NULL;
	b->m->problems = b->frames.problems.at;
	b->m->problem_count = (uint32_t)b->frames.problems.count;
	b->frames.problems.at = NULL;
	return 0;
}

static int builder_init(struct builder *b, struct model *m, struct symtab *st)
{
	int rc;

	*b = (struct builder) {
		.m = m,
		.node_ids = hash_new(),
		.site_ids = hash_new(),
	};
	rc = frames_init(&b->frames, m, st);
	return b->node_ids && b->site_ids ? rc : -ENOMEM;
}

/* All but the parts. */
static void builder_fini(struct builder *b)
{
	hash_free(b->node_ids);
	hash_free(b->site_ids);
	frames_fini(&b->frames);
	vec_free(&b->nodes);
	vec_free(&b->sites);
	vec_free(&b->slow);
	vec_free(&b->last);
}

int build_stacks(struct model *m, const struct trace_view *v, struct symtab *st,
		 struct build_part **parts, size_t *count)
{
	struct builder b;
	int rc = builder_init(&b, m, st);

	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		rc = add_image(&b, v, i);
	if (rc == 0)
		rc = finish(&b);
	builder_fini(&b);
	*parts = b.parts.at;
	*count = b.parts.count;
	return rc;
}

static void add_import(struct builder *b, uint32_t node,
		       const struct import_stack *s)
{
	struct model_site *site = site_at(b, node);
	const double *w = s->weight;

	if (!site)
		return;
	site->samples++;
	site->live.bytes += w[IMPORT_LIVE_BYTES];
	site->live.count += w[IMPORT_LIVE_COUNT];
	site->live.bytes_variance += s->bytes_variance;
	site->live.count_variance += s->count_variance;
	site->allocated.bytes += w[IMPORT_ALLOC_BYTES];
	site->allocated.count += w[IMPORT_ALLOC_COUNT];
	site->peak.bytes += w[IMPORT_PEAK];
	site->temporary.bytes += w[IMPORT_TEMPORARY];
	site->leaked += w[IMPORT_LEAK];
	site->resident += w[IMPORT_RSS];
	site->cpu += w[IMPORT_CPU];
	site->offcpu += w[IMPORT_OFFCPU];
	b->paged |= w[IMPORT_RSS] > 0;
}

struct path {
	VEC(uint32_t) at;
};

static int push_frame(struct path *path, uint32_t frame)
{
	uint32_t *step = vec_push(&path->at);

	if (!step)
		return -ENOMEM;
	*step = frame;
	return 0;
}

/* The frames of the model for those of @s; never none. */
static int import_path(struct builder *b, const struct import *im,
		       const struct import_stack *s,
		       const struct imported_frames *known, struct path *path)
{
	int rc = 0;

	path->at.count = 0;
	for (size_t k = s->first; k < s->first + s->count && rc == 0; k++) {
		const uint32_t *first = known->first + im->path.at[k];

		for (uint32_t n = first[0]; n < first[1] && rc == 0; n++)
			rc = push_frame(path, known->ids.at[n]);
	}
	if (rc == 0 && path->at.count == 0)
		rc = push_frame(path, frames_marker(&b->frames, "[unknown]"));
	return b->frames.failed ? -ENOMEM : rc;
}

static int add_imports(struct builder *b, const struct import *im,
		       const struct imported_frames *known)
{
	struct path path = { VEC_INIT };
	int rc = 0;

	for (size_t i = 0; i < im->stacks.count && rc == 0; i++) {
		const struct import_stack *s = &im->stacks.at[i];

		rc = import_path(b, im, s, known, &path);
		if (rc == 0)
			add_import(b, add_path(b, path.at.at, path.at.count),
				   s);
		rc = b->failed ? -ENOMEM : rc;
	}
	vec_free(&path.at);
	return rc;
}

int build_imported(struct model *m, const struct import *im, struct symtab *st)
{
	struct imported_frames known = { 0 };
	struct builder b;
	int rc = builder_init(&b, m, st);

	if (rc == 0)
		rc = imported_frames(&known, &b.frames, im);
	if (rc == 0)
		rc = add_imports(&b, im, &known);
	if (rc == 0)
		rc = finish(&b);
	imported_frames_fini(&known);
	builder_fini(&b);
	return rc;
}
