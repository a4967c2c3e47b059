#include "profiler/sym/pyheap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "profiler/sym/pydict.h"
#include "profiler/sym/pynative.h"
#include "profiler/sym/pyrefs.h"

#define NODES_MAX (3u << 20) /* objects that lead on; some 100 MiB */
#define DEPTH_MAX 64
#define NONE	  UINT32_MAX
#define COMMON	  0.7 /* of a group's weight goes the way that it has */
#define SOME	  512 /* blocks of a group are looked at for that */
#define FEW	  3   /* blocks do not show what differs between them */

struct node { /* an object that leads on; nodes[0] is sys.modules */
	uint64_t object;
	uint64_t key;	 /* by which its parent has it */
	uint32_t parent; /* an earlier node */
	uint8_t kind;	 /* enum pyref_kind */
	const struct pytype *type;
};

struct answer {		 /* of one block */
	uint32_t holder; /* node, or NONE */
	const struct pytype *type;
	const char *part; /* of an object of that type; NULL: it is one */
};

struct pyheap {
	struct pypages *pages;
	struct pytypes *types;
	struct pyrefs refs;
	const struct pyheap_block *blocks;
	size_t count;
	struct answer *answers;
	VEC(struct node) nodes;
	struct hash *seen; /* object -> node */
	struct pynative *native;
	struct pyroutes *routes;
	uint32_t at; /* node whose references are told */
	bool failed;
	VEC(char *) texts;
	VEC(struct pyheap_group) groups;
};

/* The block that holds @addr; @count of none. */
static size_t block_of(const struct pyheap *h, uint64_t addr)
{
	size_t low = 0, high = h->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (h->blocks[middle].addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || addr - h->blocks[low - 1].addr >= h->blocks[low - 1].size)
		return h->count;
	return low - 1;
}

static void answer(struct pyheap *h, size_t block, uint32_t holder,
		   const struct pytype *type, const char *part)
{
	struct answer *a;

	if (block == h->count)
		return;
	a = &h->answers[block];
	if (a->holder == NONE)
		*a = (struct answer) { holder, type, part };
}

static void add_node(struct pyheap *h, const struct pyref *ref,
		     const struct pytype *type)
{
	struct node *n;

	if (h->nodes.count >= NODES_MAX)
		return;
	n = vec_push(&h->nodes);
	if (!n || hash_set(h->seen, ref->to, h->nodes.count - 1) < 0) {
		h->failed = true;
		return;
	}
	*n = (struct node) { ref->to, ref->key, h->at, (uint8_t)ref->kind,
			     type };
}

/* A reference of the object at hand, if that is what it is. */
static void refer(void *context, const struct pyref *ref)
{
	struct pyheap *h = context;
	const struct pytype *type;

	if (ref->to % 8 || ref->to < 4096 || hash_find(h->seen, ref->to))
		return;
	type = pytypes_of(h->types, ref->to);
	if (!type)
		return;
	answer(h, block_of(h, ref->to), h->at, type, NULL);
	if (type->kind == PYTYPE_ATOM || type->kind == PYTYPE_TEXT ||
	    type->kind == PYTYPE_WEAK)
		return;
	add_node(h, ref, type);
}

/* A block of no type that begins at @at belongs to @node, unless to another. */
static void take_memory(struct pyheap *h, uint64_t at, uint32_t node)
{
	size_t i = block_of(h, at);
	const struct pytype *type;

	if (i == h->count || h->answers[i].holder != NONE ||
	    h->blocks[i].addr != at ||
	    pytypes_in_block(h->types, at, h->blocks[i].size, &type))
		return;
	answer(h, i, node, h->nodes.at[node].type, "");
}

static void found_native(void *context, uint64_t at, uint32_t node)
{
	take_memory(context, at, node);
}

/* Memory of the object at hand; "": or any word that it has. */
static void own(void *context, uint64_t at, const char *what)
{
	struct pyheap *h = context;

	if (what[0]) {
		answer(h, block_of(h, at), h->at, h->nodes.at[h->at].type,
		       what);
		return;
	}
	take_memory(h, at, h->at);
	if (pynative_add(h->native, at, h->at) < 0)
		h->failed = true;
}

static int follow(struct pyheap *h, uint64_t modules)
{
	const struct pyref root = { PYREF_HIDDEN, modules, 0 };

	refer(h, &root);
	for (h->at = 0; h->at < h->nodes.count && !h->failed; h->at++) {
		struct node n = h->nodes.at[h->at];

		pyrefs_of(&h->refs, n.object, n.type);
		h->failed |= pyroutes_look(h->routes, n.object, n.type) < 0;
	}
	h->failed |= pynative_follow(h->native, found_native, h) < 0;
	return h->failed ? -ENOMEM : 0;
}

/* What nothing was found to hold can be an object still. */
static void find_types(struct pyheap *h)
{
	for (size_t i = 0; i < h->count; i++)
		if (!h->answers[i].type)
			pytypes_in_block(h->types, h->blocks[i].addr,
					 h->blocks[i].size,
					 &h->answers[i].type);
}

/* The text belongs to @h. */
static const char *keep(struct pyheap *h, struct buf *text)
{
	char **slot = vec_push(&h->texts);

	if (buf_status(text) < 0 || !slot) {
		h->failed = true;
		buf_free(text);
		return "";
	}
	buf_putc(text, '\0');
	*slot = text->bytes;
	if (buf_status(text) < 0) {
		h->failed = true;
		return "";
	}
	return *slot;
}

static const char *type_text(struct pyheap *h, const struct answer *a)
{
	struct buf text = BUF_INIT;

	if (!a->part)
		return a->type->name;
	buf_puts(&text, a->type->name);
	buf_printf(&text, " %s", a->part[0] ? a->part : "memory");
	return keep(h, &text);
}

static void put_key(struct pyheap *h, struct buf *out, const struct node *n)
{
	const struct pytype *type =
		n->key ? pytypes_of(h->types, n->key) : NULL;
	char key[128];

	if (!type || type->kind != PYTYPE_TEXT ||
	    !pydict_text(h->pages, h->refs.version, n->key, key, sizeof(key)))
		buf_puts(out, "[]");
	else if (n->kind == PYREF_NAME)
		buf_printf(out, ".%s", key);
	else if (n->parent == 0)
		buf_puts(out, key);
	else
		buf_printf(out, "['%s']", key);
}

/* The nodes from sys.modules to @node into @way; how many, 0: too deep. */
static size_t way_of(const struct pyheap *h, uint32_t node,
		     uint32_t way[DEPTH_MAX])
{
	size_t depth = 1;

	for (uint32_t n = node; n; n = h->nodes.at[n].parent)
		depth++;
	if (depth > DEPTH_MAX)
		return 0;
	for (size_t i = depth; i-- > 0; node = h->nodes.at[node].parent)
		way[i] = node;
	return depth;
}

/* "app.fault.answers": a name for each that has one. */
static const char *holder_text(struct pyheap *h, uint32_t node)
{
	struct buf text = BUF_INIT;
	uint32_t way[DEPTH_MAX];
	size_t depth = way_of(h, node, way);

	for (size_t i = 1; i < depth; i++) {
		const struct node *n = &h->nodes.at[way[i]];

		if (n->kind == PYREF_NAME || n->kind == PYREF_ENTRY)
			put_key(h, &text, n);
		else if (n->kind == PYREF_ITEM)
			buf_puts(&text, "[]");
	}
	return keep(h, &text);
}

/* Indices of blocks, those of a group together, the order else kept. */
static int by_group(const void *a, const void *b, void *context)
{
	const struct pyheap *h = context;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	uint32_t gx = h->blocks[x].group, gy = h->blocks[y].group;

	if (gx != gy)
		return gx < gy ? -1 : 1;
	return x < y ? -1 : x > y;
}

struct share { /* of a group's weight */
	const void *of;
	double weight;
};

struct shares {
	VEC(struct share) list;
};

static bool add_share(struct shares *s, const void *of, double weight)
{
	struct share *at;

	vec_foreach (&s->list, at)
		if (at->of == of) {
			at->weight += weight;
			return true;
		}
	at = s->list.count < 64 ? vec_push(&s->list) : NULL;
	if (at)
		*at = (struct share) { of, weight };
	return at != NULL;
}

static const struct share *greatest(const struct shares *s)
{
	const struct share *best = NULL, *at;

	vec_foreach (&s->list, at)
		if (!best || at->weight > best->weight)
			best = at;
	return best;
}

struct way { /* from sys.modules to what holds a block */
	uint32_t nodes[DEPTH_MAX];
	size_t length; /* 0: unknown, or it has left the common one */
	double weight;
};

/* The node that most of the ways go to at @depth; NONE: they part there. */
static uint32_t common_node(const struct pyheap *h, const struct way *ways,
			    size_t count, size_t depth, double whole)
{
	struct shares shares = { 0 };
	const struct share *best;
	uint32_t node = NONE;

	for (size_t i = 0; i < count; i++)
		if (ways[i].length > depth)
			add_share(&shares, &h->nodes.at[ways[i].nodes[depth]],
				  ways[i].weight);
	best = greatest(&shares);
	if (best && best->weight >= COMMON * whole)
		node = (uint32_t)((const struct node *)best->of - h->nodes.at);
	vec_free(&shares.list);
	return node;
}

/* The last node that most of a group's ways have in common; 0: none. */
static uint32_t common_holder(struct pyheap *h, const size_t *members,
			      size_t count)
{
	struct way *ways = calloc(count, sizeof(*ways));
	uint32_t at = 0, next = 0;
	double whole = 0;

	if (!ways) {
		h->failed = true;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t holder = h->answers[members[i]].holder;

		ways[i].weight = (double)h->blocks[members[i]].weight;
		whole += ways[i].weight;
		if (holder != NONE)
			ways[i].length = way_of(h, holder, ways[i].nodes);
	}
	for (size_t depth = 1; next != NONE && depth < DEPTH_MAX; depth++) {
		at = next;
		next = common_node(h, ways, count, depth, whole);
		for (size_t i = 0; i < count; i++)
			if (ways[i].length > depth &&
			    ways[i].nodes[depth] != next)
				ways[i].length = 0;
	}
	free(ways);
	while (count < FEW && at && h->nodes.at[at].kind != PYREF_NAME)
		at = h->nodes.at[at].parent;
	return at;
}

/* The type, or part of one, that most of a group is. */
static const struct answer *common_type(struct pyheap *h, const size_t *members,
					size_t count)
{
	const struct answer *best = NULL;
	struct shares shares = { 0 };
	const struct share *most;

	for (size_t i = 0; i < count; i++) {
		const struct answer *a = &h->answers[members[i]];

		if (a->type)
			add_share(&shares,
				  a->part ? (const void *)a->part
					  : (const void *)a->type,
				  (double)h->blocks[members[i]].weight);
	}
	most = greatest(&shares);
	for (size_t i = 0; most && i < count && !best; i++) {
		const struct answer *a = &h->answers[members[i]];

		if (a->type && (a->part == most->of || a->type == most->of))
			best = a;
	}
	vec_free(&shares.list);
	return best;
}

static void add_group(struct pyheap *h, const size_t *members, size_t count)
{
	/* In order of address, so the first are as good as any. */
	size_t some = count < SOME ? count : SOME;
	const struct answer *type = common_type(h, members, some);
	struct pyheap_group *g;
	uint32_t holder;

	if (!type)
		return;
	holder = common_holder(h, members, some);
	g = vec_push(&h->groups);
	if (!g) {
		h->failed = true;
		return;
	}
	*g = (struct pyheap_group) {
		.group = h->blocks[members[0]].group,
		.type = type_text(h, type),
		.holder = holder ? holder_text(h, holder) : "",
		.holder_type = holder ? h->nodes.at[holder].type->name : "",
	};
	for (size_t i = 0; i < count; i++) {
		if (!h->answers[members[i]].type)
			continue;
		g->blocks++;
		g->weight += (double)h->blocks[members[i]].weight;
	}
}

static int by_weight(const void *a, const void *b)
{
	const struct pyheap_group *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->group < y->group ? -1 : x->group > y->group;
}

static int sum_up(struct pyheap *h)
{
	size_t *order = malloc((h->count + 1) * sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < h->count; i++)
		order[i] = i;
	qsort_r(order, h->count, sizeof(*order), by_group, h);
	for (size_t i = 0, end; i < h->count; i = end) {
		end = i + 1;
		while (end < h->count &&
		       h->blocks[order[end]].group == h->blocks[order[i]].group)
			end++;
		add_group(h, order + i, end - i);
	}
	free(order);
	if (h->groups.count)
		qsort(h->groups.at, h->groups.count, sizeof(*h->groups.at),
		      by_weight);
	return h->failed ? -ENOMEM : 0;
}

static bool prepare(struct pyheap *h, const struct remote *from,
		    uint32_t version)
{
	h->pages = pypages_new(from);
	h->types = h->pages ? pytypes_new(h->pages, version) : NULL;
	h->seen = hash_new();
	h->answers = malloc((h->count + 1) * sizeof(*h->answers));
	if (h->types) {
		h->routes = pyroutes_new(h->pages, h->types, version);
		h->native =
			pynative_new(h->pages, h->types, h->blocks, h->count);
	}
	if (!h->routes || !h->native || !h->seen || !h->answers)
		return false;
	for (size_t i = 0; i < h->count; i++)
		h->answers[i] = (struct answer) { .holder = NONE };
	h->refs = (struct pyrefs) {
		.pages = h->pages,
		.types = h->types,
		.version = version,
		.refer = refer,
		.own = own,
		.context = h,
	};
	return true;
}

/* All but the groups, the routes, and the types, which have their names. */
static void forget_memory(struct pyheap *h)
{
	vec_free(&h->nodes);
	hash_free(h->seen);
	pynative_free(h->native);
	free(h->answers);
	pypages_free(h->pages);
}

int pyheap_read(struct pyheap **out, const struct remote *from,
		uint32_t version, uint64_t modules,
		const struct pyheap_block *blocks, size_t count)
{
	struct pyheap *h = calloc(1, sizeof(*h));
	int rc = -ENOMEM;

	*out = NULL;
	if (!h)
		return rc;
	h->blocks = blocks;
	h->count = count;
	if (prepare(h, from, version))
		rc = follow(h, modules);
	if (rc == 0) {
		find_types(h);
		rc = sum_up(h);
	}
	forget_memory(h);
	if (rc < 0) {
		pyheap_free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void pyheap_free(struct pyheap *h)
{
	char **text;

	if (!h)
		return;
	vec_foreach (&h->texts, text)
		free(*text);
	vec_free(&h->texts);
	vec_free(&h->groups);
	pyroutes_free(h->routes);
	pytypes_free(h->types);
	free(h);
}

const struct pyheap_group *pyheap_groups(const struct pyheap *h, size_t *count)
{
	*count = h->groups.count;
	return h->groups.at;
}

const struct pyroute *pyheap_routes(const struct pyheap *h, size_t *count)
{
	return pyroutes_list(h->routes, count);
}
