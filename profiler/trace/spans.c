/*
 * spans: see spans.h.
 */
#include "profiler/trace/spans.h"

#include <string.h>

#include "profiler/latency/histo.h"
#include "profiler/trace/threads.h"
#include "profiler/wire/record.h"

void spans_fini(struct spans *s)
{
	struct span_name *name;

	vec_foreach (&s->names, name)
		histo_free(name->took);
	vec_free(&s->names);
	vec_free(&s->open);
}

/* Index of the first open one that is not below @number. */
static size_t place_of(const struct spans *s, uint64_t number)
{
	size_t low = 0, high = s->open.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->open.at[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct span *find(struct spans *s, uint64_t number)
{
	size_t at = place_of(s, number);

	if (!number || at == s->open.count || s->open.at[at].number != number)
		return NULL;
	return &s->open.at[at];
}

static void remove_at(struct spans *s, size_t at)
{
	struct span *from = &s->open.at[at];

	memmove(from, from + 1, (s->open.count - at - 1) * sizeof(*from));
	s->open.count--;
}

/* Numbers mostly rise; where two threads begin at once they may not. */
static struct span *insert(struct spans *s, uint64_t number)
{
	struct span *new;
	size_t at;

	if (s->open.count == SPANS_OPEN_MAX) {
		remove_at(s, 0);
		s->forgotten++;
	}
	at = place_of(s, number);
	if (!vec_push(&s->open))
		return NULL;
	new = &s->open.at[at];
	memmove(new + 1, new, (s->open.count - 1 - at) * sizeof(*new));
	*new = (struct span) { .number = number };
	return new;
}

static size_t name_place(const struct spans *s, uint32_t name)
{
	size_t at = 0;

	while (at < s->names.count && s->names.at[at].counts.name < name)
		at++;
	return at;
}

struct span_name *spans_find_name(struct spans *s, uint32_t name)
{
	size_t at = name_place(s, name);

	return at < s->names.count && s->names.at[at].counts.name == name
		       ? &s->names.at[at]
		       : NULL;
}

struct span_name *spans_name(struct spans *s, uint32_t name)
{
	size_t place = name_place(s, name), after = s->names.count - place;
	struct span_name *at = spans_find_name(s, name);

	if (at)
		return at;
	if (!vec_push(&s->names))
		return NULL;
	at = &s->names.at[place];
	memmove(at + 1, at, after * sizeof(*at));
	*at = (struct span_name) { .counts.name = name };
	return at;
}

static void add(struct fold_sum *to, const struct fold_sum *by)
{
	to->bytes += by->bytes;
	to->bytes_variance += by->bytes_variance;
	to->count += by->count;
	to->count_variance += by->count_variance;
}

void spans_leave(struct spans *s, struct thread *t, uint64_t ticks)
{
	struct span *at = find(s, t->span);

	t->span = 0;
	if (!at)
		return;
	at->busy += ticks > t->at_span ? (double)(ticks - t->at_span) : 0;
	add(&at->allocated, &(struct fold_sum) {
				    t->allocated.bytes - t->at_allocated.bytes,
				    t->allocated.bytes_variance -
					    t->at_allocated.bytes_variance,
				    t->allocated.count - t->at_allocated.count,
				    t->allocated.count_variance -
					    t->at_allocated.count_variance,
			    });
}

static void turn(struct spans *s, struct thread *t, uint64_t number,
		 uint64_t ticks)
{
	spans_leave(s, t, ticks);
	t->span = number;
	t->at_span = ticks;
	t->at_allocated = t->allocated;
}

static bool begin(struct spans *s, struct thread *t, const struct fold_event *e)
{
	uint64_t parent = t->span;
	struct span *new;

	if (!e->addr || e->node > SPANS_NAME_MAX || find(s, e->addr))
		return true; /* damage */
	new = insert(s, e->addr);
	if (!new)
		return false;
	new->parent = parent;
	new->name = e->node;
	new->began = e->ticks;
	turn(s, t, e->addr, e->ticks);
	return true;
}

static bool count(struct spans *s, const struct span *done, uint64_t ticks,
		  double slope)
{
	struct span_name *name = spans_name(s, (uint32_t)done->name);
	double took = ticks > done->began ? (double)(ticks - done->began) : 0;

	if (!name)
		return false;
	if (!name->took)
		name->took = histo_new();
	if (!name->took)
		return false;
	name->counts.count++;
	name->counts.busy += done->busy;
	add(&name->counts.allocated, &done->allocated);
	histo_record(name->took, (uint64_t)(took / slope + 0.5));
	return true;
}

static bool end(struct spans *s, struct thread *t, const struct fold_event *e,
		double slope)
{
	bool here = t->span == e->addr;
	struct span *open, *parent;
	struct span done;

	if (here)
		spans_leave(s, t, e->ticks);
	open = find(s, e->addr);
	if (!open)
		return true;
	done = *open;
	remove_at(s, (size_t)(open - s->open.at));
	parent = find(s, done.parent);
	if (parent) {
		parent->busy += done.busy;
		add(&parent->allocated, &done.allocated);
	}
	if (here)
		turn(s, t, parent ? done.parent : 0, e->ticks);
	return count(s, &done, e->ticks, slope);
}

bool spans_step(struct spans *s, struct thread *t, const struct fold_event *e,
		double slope)
{
	switch (e->api) {
	case SPAN_BEGIN:
		return begin(s, t, e);
	case SPAN_END:
		return end(s, t, e, slope);
	case SPAN_TURN:
		turn(s, t, e->addr, e->ticks);
		return true;
	}
	return true; /* damage */
}
