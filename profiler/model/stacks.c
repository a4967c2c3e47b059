/*
 * stacks: the calling-context trees of all processes, merged into one over
 * interned frames.
 *
 * Two addresses of one source line are one frame; an inlined call is a frame
 * of its own.  The merged tree is then put in depth-first order with children
 * sorted by what they say, so that the order of arrival leaves no trace.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/model/build.h"
#include "profiler/model/modules.h"

struct node {
	uint32_t parent; /* index + 1; 0 a root */
	uint32_t frame;
	uint32_t child, sibling; /* index + 1 */
	uint32_t order;		 /* in the finished tree */
};

struct builder {
	struct model *m;
	struct symtab *st;
	VEC(struct model_frame) frames;
	VEC(struct node) nodes;
	VEC(struct model_site) sites; /* node: index in nodes[] */
	VEC(struct build_part) parts; /* site: index in nodes[] till the end */
	struct hash *frame_ids;	      /* content -> frame */
	struct hash *node_ids;	      /* parent, frame -> node */
	struct hash *site_ids;	      /* node -> site */
	struct hash *problems;	      /* module ids already complained of */
	VEC(const char *) problem_texts;
	bool failed; /* out of memory */
	bool paged;  /* a probe looked at pages */
};

static uint64_t text_hash(uint64_t h, const char *text)
{
	/* Interned: equal texts have equal addresses within one model. */
	return hash_mix(h ^ (uint64_t)(uintptr_t)text);
}

static uint32_t frame_id(struct builder *b, const struct model_frame *f)
{
	/*
	 * Mixed first: texts lie side by side, so the bits of a line could
	 * make one function's address into another's.
	 */
	uint64_t key = text_hash(hash_mix(f->line), f->function);
	uint64_t *found;
	struct model_frame *slot;

	key = text_hash(key, f->file);
	key = text_hash(key, f->module);
	key = hash_mix(key ^ (uint64_t)f->kind << 8 ^ (uint64_t)f->inlined);
	found = hash_find(b->frame_ids, key);
	if (found)
		return (uint32_t)*found;
	slot = vec_push(&b->frames);
	if (!slot || hash_set(b->frame_ids, key, b->frames.count - 1) < 0) {
		b->failed = true;
		return 0;
	}
	*slot = *f;
	return (uint32_t)b->frames.count - 1;
}

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

static const char *str(struct builder *b, const char *text)
{
	const char *kept = text ? model_string(b->m, text) : NULL;

	b->failed |= text && !kept;
	return kept;
}

static uint32_t marker(struct builder *b, uint32_t parent, const char *name)
{
	struct model_frame f = {
		.function = str(b, name),
		.module = str(b, ""),
		.kind = FRAME_MARKER,
		.module_kind = MODULE_UNKNOWN,
	};

	return b->failed ? 0 : node_id(b, parent, frame_id(b, &f));
}

static const struct trace_module *find_module(const struct trace_image *im,
					      uint32_t id)
{
	size_t low = 0, high = im->module_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (im->modules[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < im->module_count && im->modules[low].id == id
		       ? &im->modules[low]
		       : NULL;
}

static void note_problem(struct builder *b, int module)
{
	const char *text = symtab_problem(b->st, module);
	const char **slot;

	if (!text || hash_find(b->problems, (uint64_t)module))
		return;
	hash_set(b->problems, (uint64_t)module, 1);
	slot = vec_push(&b->problem_texts);
	if (slot)
		*slot = str(b, text);
}

static void unknown_name(char *to, size_t size, const char *path,
			 uint64_t vaddr)
{
	const char *slash = strrchr(path, '/');

	snprintf(to, size, "%s+0x%llx", slash ? slash + 1 : path,
		 (unsigned long long)vaddr);
}

/* A hook that did not jump on leaves a frame of its own. */
static bool is_shim(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && !strcmp(slash + 1, "libstrandline.so");
}

/* The frames of one native address, outermost first. */
static uint32_t native(struct builder *b, const struct trace_image *im,
		       uint32_t parent, const struct wire_node *wn)
{
	const struct trace_module *tm = find_module(im, wire_node_module(wn));
	struct symbol symbols[SYMBOL_MAX_INLINED];
	struct symtab_module sm;
	enum module_kind kind;
	unsigned count;
	char name[512];
	int module;

	if (!tm)
		return marker(b, parent, "[unknown]");
	if (parent && is_shim(tm->path))
		return parent;
	sm = (struct symtab_module) { tm->path, tm->build_id,
				      tm->build_id_size };
	module = symtab_module(b->st, &sm);
	if (module < 0) {
		b->failed = true;
		return 0;
	}
	kind = modules_kind(tm->path, im->header.exe);
	count = symtab_resolve(b->st, module, wn->value, symbols);
	note_problem(b, module);
	for (unsigned i = count; i-- > 0 && !b->failed;) {
		struct model_frame f = {
			.file = str(b, symbols[i].file),
			.module = str(b, tm->path),
			.line = symbols[i].line,
			.kind = FRAME_NATIVE,
			.module_kind = kind,
			.inlined = symbols[i].inlined,
		};

		if (!symbols[i].function)
			unknown_name(name, sizeof(name), tm->path, wn->value);
		f.function = str(b, symbols[i].function ? symbols[i].function
							: name);
		if (!b->failed)
			parent = node_id(b, parent, frame_id(b, &f));
	}
	return parent;
}

static uint32_t kernel(struct builder *b, const struct trace_image *im,
		       uint32_t parent, const struct wire_node *wn)
{
	const char *name = wn->value >= 1 && wn->value <= im->text_count
				   ? im->texts[wn->value - 1]
				   : NULL;
	struct model_frame f = {
		.function = str(b, name ? name : "[kernel]"),
		.module = str(b, "[kernel]"),
		.kind = FRAME_KERNEL,
		.module_kind = MODULE_KERNEL,
	};

	return b->failed ? 0 : node_id(b, parent, frame_id(b, &f));
}

static const char *blocked_name(uint64_t reason)
{
	static const char *const names[BLOCKED_NREASONS] = {
		[BLOCKED_OTHER] = "[waits]",
		[BLOCKED_RUNNABLE] = "[waits for a CPU]",
		[BLOCKED_FUTEX] = "[waits: futex]",
		[BLOCKED_EPOLL] = "[waits: epoll]",
		[BLOCKED_DISK] = "[waits: disk]",
		[BLOCKED_SOCKET] = "[waits: socket]",
		[BLOCKED_SLEEP] = "[sleeps]",
		[BLOCKED_FAULT] = "[waits: page]",
		[BLOCKED_CHILD] = "[waits: process]",
		[BLOCKED_FILE] = "[waits: file]",
	};

	return names[reason < BLOCKED_NREASONS ? reason : BLOCKED_OTHER];
}

static uint32_t add_node(struct builder *b, const struct trace_image *im,
			 uint32_t parent, const struct wire_node *wn)
{
	char name[32];

	switch (wire_node_kind(wn)) {
	case NODE_NATIVE:
		return native(b, im, parent, wn);
	case NODE_KERNEL:
		return kernel(b, im, parent, wn);
	case NODE_BLOCKED:
		return marker(b, parent, blocked_name(wn->value));
	case NODE_ABSOLUTE:
		snprintf(name, sizeof(name), "0x%llx",
			 (unsigned long long)(wn->value & ~0xfffULL));
		return marker(b, parent, name);
	case NODE_TRUNCATED:
		return marker(b, parent, "[truncated]");
	case NODE_BROKEN:
		return marker(b, parent, "[broken]");
	case NODE_LOST:
		return marker(b, parent, "[lost]");
	default:
		return marker(b, parent, "[unknown]");
	}
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

static uint32_t node_of(struct builder *b, const struct trace_image *im,
			const uint32_t *ids, uint32_t node)
{
	uint32_t found = node <= im->node_count ? ids[node] : 0;

	return found ? found : marker(b, 0, "[unknown]");
}

/*
 * Parents come before their children in a whole recording; one that does not
 * is damage, and its child becomes a root under a marker.
 */
static int add_image(struct builder *b, const struct trace_view *v,
		     size_t image)
{
	const struct trace_image *im = &v->images[image];
	uint32_t *ids = calloc((size_t)im->node_count + 1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	for (uint32_t n = 1; n <= im->node_count && !b->failed; n++) {
		const struct wire_node *wn = &im->nodes[n - 1];

		if (wire_node_kind(wn) == NODE_UNFINISHED)
			continue;
		if (wn->parent < n)
			ids[n] = add_node(b, im, ids[wn->parent], wn);
		else
			ids[n] = marker(b, 0, "[unknown]");
	}
	for (size_t i = 0; i < im->result.stack_count && !b->failed; i++) {
		const struct fold_stack *s = &im->result.stacks[i];
		uint32_t node = node_of(b, im, ids, s->node);

		if (!node)
			break;
		add_site(b, node, s);
		add_part(b, node, image, i);
	}
	for (size_t i = 0; i < im->weight_count && !b->failed; i++) {
		uint32_t node = node_of(b, im, ids, im->weights[i].node);

		if (node)
			add_weight(b, node, &im->weights[i]);
	}
	free(ids);
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
	size_t count = b->frames.count;
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
		ranked[i] = (struct ranked) { &b->frames.at[i], (uint32_t)i };
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
	b->m->sites = b->sites.at;
	b->m->site_count = (uint32_t)b->sites.count;
	b->sites.at = NULL;
	b->m->problems = b->problem_texts.at;
	b->m->problem_count = (uint32_t)b->problem_texts.count;
	b->problem_texts.at = NULL;
	return 0;
}

int build_stacks(struct model *m, const struct trace_view *v, struct symtab *st,
		 struct build_part **parts, size_t *count)
{
	struct builder b = {
		.m = m,
		.st = st,
		.frame_ids = hash_new(),
		.node_ids = hash_new(),
		.site_ids = hash_new(),
		.problems = hash_new(),
	};
	int rc = -ENOMEM;

	if (b.frame_ids && b.node_ids && b.site_ids && b.problems)
		rc = 0;
	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		rc = add_image(&b, v, i);
	if (rc == 0)
		rc = finish(&b);
	hash_free(b.frame_ids);
	hash_free(b.node_ids);
	hash_free(b.site_ids);
	hash_free(b.problems);
	vec_free(&b.frames);
	vec_free(&b.nodes);
	vec_free(&b.sites);
	vec_free(&b.problem_texts);
	*parts = b.parts.at;
	*count = b.parts.count;
	return rc;
}
