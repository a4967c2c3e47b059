#include "profiler/model/splice.h"

#include <stdlib.h>

#include "profiler/base/vec.h"
#include "profiler/model/frames.h"

/* Frames of a node, in the pool; all 0: not asked for yet. */
struct known {
	uint32_t at; /* + 1 */
	uint16_t count, evaluator;
	bool greenlet;
};

struct wires { /* nodes of the recording, innermost first */
	VEC(uint32_t) list;
};

struct splice {
	struct frames *f;
	const struct trace_image *im;
	enum model_view view;
	struct known *known; /* by node */
	VEC(uint32_t) pool;
	struct wires natives, pythons;
	size_t left, entries; /* Python frames to come; of them, entries */
	VEC(uint32_t) path;
};

struct splice *splice_new(struct frames *f, const struct trace_image *im,
			  enum model_view view)
{
	struct splice *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->f = f;
	s->im = im;
	s->view = view;
	s->known = calloc((size_t)im->node_count + 1, sizeof(*s->known));
	if (s->known)
		return s;
	free(s);
	return NULL;
}

void splice_free(struct splice *s)
{
	if (!s)
		return;
	free(s->known);
	vec_free(&s->pool);
	vec_free(&s->natives.list);
	vec_free(&s->pythons.list);
	vec_free(&s->path);
	free(s);
}

static const struct wire_node *wire(const struct splice *s, uint32_t node)
{
	return &s->im->nodes[node - 1];
}

static const struct known *known(struct splice *s, uint32_t node)
{
	const struct wire_node *wn = wire(s, node);
	struct known *k = &s->known[node];
	struct frames_node frames;

	if (k->at)
		return k;
	frames_of_node(s->f, s->im, wn, !wn->parent, &frames);
	*k = (struct known) { (uint32_t)s->pool.count + 1,
			      (uint16_t)frames.count,
			      (uint16_t)frames.evaluator, frames.greenlet };
	for (uint32_t i = 0; i < frames.count; i++) {
		uint32_t *slot = vec_push(&s->pool);

		if (slot)
			*slot = frames.at[i];
		else
			s->f->failed = true;
	}
	if (s->f->failed)
		k->count = k->evaluator = 0;
	return k;
}

/* Parents come before their children, so this ends. */
static void collect(struct splice *s, struct wires *to, uint32_t node)
{
	to->list.count = 0;
	while (node) {
		uint32_t *slot = vec_push(&to->list);

		if (!slot) {
			s->f->failed = true;
			return;
		}
		*slot = node;
		node = wire(s, node)->parent;
	}
}

static void put(struct splice *s, const struct known *k, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t *slot = vec_push(&s->path);

		if (slot)
			*slot = s->pool.at[k->at - 1 + i];
		else
			s->f->failed = true;
	}
}

static void put_node(struct splice *s, uint32_t node)
{
	const struct known *k = known(s, node);

	put(s, k, k->count);
}

static bool is_entry(const struct splice *s, uint32_t node)
{
	const struct wire_node *wn = wire(s, node);

	return wire_node_kind(wn) == NODE_PYTHON &&
	       wn->value & WIRE_PYTHON_ENTRY;
}

/*
 * The next Python frames, outermost first, until @entries of those that native
 * code called are still to come.
 */
static void put_pythons(struct splice *s, size_t entries)
{
	for (; s->left > 0; s->left--) {
		uint32_t node = s->pythons.list.at[s->left - 1];

		if (is_entry(s, node) && s->entries-- <= entries) {
			s->entries++;
			return;
		}
		put_node(s, node);
	}
}

static size_t count_evaluators(struct splice *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->natives.list.count; i++) {
		const struct known *k = known(s, s->natives.list.at[i]);

		count += k->evaluator < k->count;
	}
	return count;
}

static size_t count_entries(const struct splice *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->pythons.list.count; i++)
		count += is_entry(s, s->pythons.list.at[i]);
	return count;
}

/*
 * Of more evaluators than there are entries, which have none?  One that a
 * clock's tick met before it had begun, or when it was done: the innermost.
 * Where Python's frames were cut, and of what the shim saw: the outermost.
 */
static bool lacks_innermost(const struct splice *s)
{
	size_t count = s->pythons.list.count;

	return s->im->probed &&
	       wire_node_kind(wire(s, s->pythons.list.at[count - 1])) ==
		       NODE_PYTHON;
}

static void put_mixed(struct splice *s)
{
	size_t evaluators = count_evaluators(s), entries = count_entries(s);
	size_t most = evaluators, inner = 0; /* those without an entry */

	s->left = s->pythons.list.count;
	s->entries = entries;
	if (entries < evaluators && lacks_innermost(s))
		inner = evaluators - entries;
	else
		most = entries;
	if (!evaluators)
		put_pythons(s, 0);
	for (size_t i = s->natives.list.count; i > 0; i--) {
		uint32_t node = s->natives.list.at[i - 1];
		const struct known *k = known(s, node);

		if (k->evaluator == k->count || evaluators-- > most ||
		    evaluators < inner) {
			put(s, k, k->count);
			continue;
		}
		put(s, k, k->evaluator);
		put_pythons(s, evaluators - inner);
	}
}

static void put_all(struct splice *s, const struct wires *from)
{
	for (size_t i = from->list.count; i > 0; i--)
		put_node(s, from->list.at[i - 1]);
}

static void put_marker(struct splice *s, const char *name)
{
	uint32_t *slot = vec_push(&s->path);

	if (slot)
		*slot = frames_marker(s->f, name);
	else
		s->f->failed = true;
}

/* What another greenlet has left outside of this one is left out. */
static void cut_greenlet(struct splice *s)
{
	for (size_t i = 0; i + 1 < s->natives.list.count; i++)
		if (known(s, s->natives.list.at[i])->greenlet) {
			s->natives.list.count = i + 1;
			put_marker(s, "[greenlet]");
			return;
		}
}

size_t splice_path(struct splice *s, uint32_t node, const uint32_t **path)
{
	const struct wire_node *wn;

	s->path.count = 0;
	*path = NULL;
	if (!node || node > s->im->node_count)
		return 0;
	wn = wire(s, node);
	s->pythons.list.count = 0;
	if (wire_node_kind(wn) == NODE_MIXED) {
		collect(s, &s->natives, wn->parent);
		collect(s, &s->pythons, (uint32_t)wn->value);
	} else {
		collect(s, &s->natives, node);
	}
	if (s->view != MODEL_VIEW_PYTHON)
		cut_greenlet(s);
	if (s->view == MODEL_VIEW_NATIVE)
		s->pythons.list.count = 0;
	if (s->view == MODEL_VIEW_PYTHON && s->pythons.list.count)
		put_all(s, &s->pythons);
	else if (s->view == MODEL_VIEW_PYTHON)
		put_marker(s, "[no Python]");
	else if (s->pythons.list.count)
		put_mixed(s);
	else
		put_all(s, &s->natives);
	*path = s->path.at;
	return s->path.count;
}
