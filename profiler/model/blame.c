/*
 * blame: which frame of a stack wanted what was allocated there.
 *
 * In native code the innermost that is no wrapper (wrappers.h).  What native
 * code allocates that Python called, the interpreter itself or an extension
 * module, is for the Python function: the innermost whose module does not just
 * make things for others.  Only what belongs to the program itself is told by
 * its own name even there, and the event loop of uvloop, which runs for as
 * long as the function does that called it.
 */
#include <string.h>

#include "profiler/model/model.h"

static const struct model_frame *frame_at(const struct model *m, uint32_t node)
{
	return &m->frames[m->nodes[node].frame];
}

static enum model_role role(const struct model *m, uint32_t node)
{
	return frame_at(m, node)->kind == FRAME_MARKER
		       ? MODEL_ROLE_WRAPPER
		       : (enum model_role)m->frame_roles[m->nodes[node].frame];
}

/* A function without a name is a wrapper's when a wrapper called it. */
static bool is_wrappers(const struct model *m, uint32_t node)
{
	while (node != MODEL_NONE && role(m, node) == MODEL_ROLE_UNNAMED)
		node = m->nodes[node].parent;
	return node != MODEL_NONE && role(m, node) == MODEL_ROLE_WRAPPER;
}

static bool wants(const struct model *m, uint32_t node)
{
	enum model_role r = role(m, node);

	return r == MODEL_ROLE_CALLER ||
	       (r == MODEL_ROLE_UNNAMED && !is_wrappers(m, node));
}

/* Native code that does what it does for itself, although Python called it. */
static bool is_its_own(const struct model *m, uint32_t node)
{
	const struct model_frame *f = frame_at(m, node);

	return f->module_kind == MODULE_APPLICATION ||
	       strstr(f->module, "/uvloop/") != NULL;
}

static bool is_python(const struct model *m, uint32_t node)
{
	return frame_at(m, node)->kind == FRAME_PYTHON;
}

/* The innermost Python frame of a stack, or MODEL_NONE. */
static uint32_t innermost_python(const struct model *m, uint32_t node)
{
	while (node != MODEL_NONE && !is_python(m, node))
		node = m->nodes[node].parent;
	return node;
}

/* From @node, which is in Python or called by it. */
static uint32_t blamed_in_python(const struct model *m, uint32_t node,
				 uint32_t innermost)
{
	uint32_t n = node;

	for (; n != innermost; n = m->nodes[n].parent)
		if (wants(m, n) && is_its_own(m, n))
			return n;
	for (; n != MODEL_NONE; n = m->nodes[n].parent)
		if (is_python(m, n) && wants(m, n))
			return n;
	return innermost;
}

uint32_t model_blamed(const struct model *m, uint32_t node)
{
	uint32_t python = innermost_python(m, node);

	if (!m->frame_roles)
		return node;
	if (python != MODEL_NONE)
		return blamed_in_python(m, node, python);
	for (uint32_t n = node; n != MODEL_NONE; n = m->nodes[n].parent)
		if (wants(m, n))
			return n;
	return node; /* nobody else to blame */
}
