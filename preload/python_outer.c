/*
 * python_outer: what a thread runs in the interpreters through which it came
 * into the one that it is in.
 *
 * A thread has a state in each of them, and finds its own in the lists of all.
 * Others change those meanwhile, and free what is in them: they are read
 * through the kernel.  A state that is found, is this thread's and has frames
 * is part of its own stack, so nothing frees that, nor the code it runs.
 *
 * While a thread is in an interpreter, nothing moves in those outside.  What
 * was found is kept until the thread is in another one, or its outermost frame
 * there is another one.  Samples are far apart: there the frames are looked at
 * again, through the kernel, too, as by now they may be nobody's.
 *
 * Until 3.11 an interpreter's first state serves whichever thread calls into
 * it; one that is not the thread's that it was made for is not found.
 */
#include "preload/internal.h"
#include "preload/nodes.h"
#include "preload/python.h"

#define STATES_MAX 8
#define OUTER_MAX  256

struct python_outer {
	uint64_t state, root; /* within which; state 0: nothing is known */
	uint64_t states[STATES_MAX];
	unsigned nstates, count;
	struct cpython_frame kept[OUTER_MAX]; /* innermost first */
	struct cpython_frame now[OUTER_MAX];
	uint64_t prefix[OUTER_MAX]; /* hash of it and what is outside */
	uint32_t ids[OUTER_MAX];
};

static void find_states(struct python_outer *o, uint64_t state)
{
	size_t count = cpython_states(&python.layout, &python_careful,
				      python_ident(), o->states, STATES_MAX);

	o->nstates = 0;
	for (size_t i = 0; i < count; i++)
		if (o->states[i] != state)
			o->states[o->nstates++] = o->states[i];
}

static unsigned read_frames(const struct python_outer *o,
			    struct cpython_frame *to)
{
	size_t count = 0;

	for (unsigned i = 0; i < o->nstates; i++)
		count += cpython_frames(&python.layout, &python_careful,
					o->states[i], to + count,
					OUTER_MAX - count);
	return (unsigned)count;
}

static bool same(const struct cpython_frame *a, const struct cpython_frame *b)
{
	return a->frame == b->frame && a->code == b->code &&
	       a->instruction == b->instruction && a->entry == b->entry;
}

static bool still_as_kept(struct python_outer *o)
{
	if (read_frames(o, o->now) != o->count)
		return false;
	for (unsigned i = 0; i < o->count; i++)
		if (!same(&o->kept[i], &o->now[i]))
			return false;
	return true;
}

static uint64_t value_of(const struct cpython_frame *f)
{
	return wire_python_value(f->instruction, f->entry);
}

/* Where it could not be read to its end, that is left out. */
static uint64_t hash_root(const struct python_outer *o)
{
	return PYTHON_HASH_EMPTY + (o->count == OUTER_MAX);
}

/* False: what one of them runs cannot be kept. */
static bool identify(struct python_outer *o)
{
	uint64_t hash = hash_root(o);

	for (unsigned i = o->count; i-- > 0;) {
		o->ids[i] = python_code_id(o->kept[i].code);
		if (!o->ids[i])
			return false;
		hash = python_hash(hash, o->ids[i], value_of(&o->kept[i]));
		o->prefix[i] = hash;
	}
	return true;
}

static void look(struct python_outer *o, uint64_t state, uint64_t root)
{
	find_states(o, state);
	o->count = read_frames(o, o->kept);
	o->root = root;
	o->state = state;
	if (!identify(o)) {
		o->count = 0;
		shim_drop(DROP_PYTHON);
	}
}

COLD uint64_t python_outer_hash(struct thread_state *ts, uint64_t state,
				uint64_t root)
{
	bool exact = shim.mode != SLAB_MODE_SAMPLE;
	struct python_outer *o = ts->outer;

	if (!o)
		o = ts->outer = shim_memory(sizeof(*o));
	if (!o)
		return 0;
	/* Without a frame there is none to tell one call by from the next. */
	if (o->state != state || o->root != root ||
	    (!(exact && root) && !still_as_kept(o)))
		look(o, state, root);
	return o->count ? o->prefix[0] : 0;
}

uint32_t python_outer_node(struct thread_state *ts)
{
	struct python_outer *o = ts->outer;
	unsigned known = 0;
	uint32_t node = 0;

	while (known < o->count && !(node = node_find(o->prefix[known])))
		known++;
	if (!node && o->count == OUTER_MAX)
		node = node_marker(NODE_TRUNCATED);
	while (known-- > 0) {
		node = node_make(o->prefix[known], node, NODE_PYTHON,
				 o->ids[known], value_of(&o->kept[known]));
		if (!node)
			return 0;
	}
	return node;
}

void python_outer_forget(struct thread_state *ts)
{
	if (ts->outer)
		ts->outer->state = 0;
}
