/*
 * objects: what a finding's blocks are in Python, by its sites.
 *
 * The sites of a function can be of several types, as what it puts into a
 * cache is.  Told is what holds most of their bytes, and which type most of
 * these are.
 */
#include <errno.h>
#include <string.h>

#include "profiler/analysis/verdict_state.h"
#include "profiler/base/buf.h"
#include "profiler/model/model.h"

static bool is_at(const struct model *m, const struct model_site *s,
		  const struct finding *f)
{
	uint32_t blamed = model_blamed(m, s->node);

	return m->nodes[blamed].frame == m->nodes[f->node].frame;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Live bytes of the finding's sites that are held, or typed, as @like is. */
static double bytes_like(const struct model *m, const struct finding *f,
			 const struct model_site *like, bool typed)
{
	double bytes = 0;

	for (uint32_t i = 0; i < m->site_count; i++) {
		const struct model_site *s = &m->sites[i];

		if (s->object_type && same(s->holder, like->holder) &&
		    (!typed || same(s->object_type, like->object_type)) &&
		    is_at(m, s, f))
			bytes += s->live.bytes;
	}
	return bytes;
}

static const struct model_site *greatest(const struct model *m,
					 const struct finding *f,
					 const struct model_site *held)
{
	const struct model_site *best = NULL;
	double most = 0;

	for (uint32_t i = 0; i < m->site_count; i++) {
		const struct model_site *s = &m->sites[i];
		double bytes;

		if (!s->object_type || !is_at(m, s, f) ||
		    (held && !same(s->holder, held->holder)))
			continue;
		bytes = bytes_like(m, f, s, held != NULL);
		if (best && bytes <= most)
			continue;
		best = s;
		most = bytes;
	}
	return best;
}

int finding_objects(struct owned_verdict *v, struct finding *f)
{
	const struct model *m = v->model;
	const struct model_site *s = NULL;
	struct buf text = BUF_INIT;

	if ((f->class != FINDING_LEAK && f->class != FINDING_GROWTH) ||
	    f->node == MODEL_NONE)
		return 0;
	s = greatest(m, f, NULL);
	if (s)
		s = greatest(m, f, s);
	if (!s)
		return 0;
	f->holder = s->holder;
	buf_puts(&text, s->object_type);
	if (s->holder)
		buf_printf(&text, " held by %s", s->holder);
	f->objects = text.failed ? NULL : verdict_string(v, text.bytes);
	buf_free(&text);
	return f->objects ? 0 : -ENOMEM;
}
