/*
 * lately: see lately.h.
 */
#include "profiler/probe/lately.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"

#define MOMENTS	   32768u /* a power of two; some 1.5 MiB */
#define REQUESTS   128u	  /* that end between two settlings */
#define PARTS_EACH 24u	  /* of the same threads; what is left is summed up */

struct lately {
	struct lately_moment at[MOMENTS];
	uint64_t added;
	struct lately_request ended[REQUESTS];
	size_t ended_count;
	uint64_t lost;
};

struct parts {
	VEC(struct wire_slow_part) at;
	struct hash *places; /* what part_key() says -> index */
};

/* Pages that are never touched cost nothing. */
struct lately *lately_new(void)
{
	return calloc(1, sizeof(struct lately));
}

void lately_free(struct lately *l)
{
	free(l);
}

void lately_add(struct lately *l, const struct lately_moment *m)
{
	l->at[l->added++ % MOMENTS] = *m;
}

void lately_ended(struct lately *l, const struct lately_request *r)
{
	if (l->ended_count == REQUESTS)
		l->lost++;
	else
		l->ended[l->ended_count++] = *r;
}

uint64_t lately_lost(const struct lately *l)
{
	return l->lost;
}

/* What of @m lies within the request. */
static uint64_t share_of(const struct lately_moment *m,
			 const struct lately_request *r)
{
	uint64_t from = m->from_ns > r->read_ns ? m->from_ns : r->read_ns;
	uint64_t until = m->until_ns < r->last_ns ? m->until_ns : r->last_ns;

	if (m->from_ns == m->until_ns)
		return from <= until ? m->ns : 0;
	if (from >= until)
		return 0;
	return (uint64_t)((double)m->ns * (double)(until - from) /
			  (double)(m->until_ns - m->from_ns));
}

/*
 * SLOW_NWHOS: nobody's.  What another thread began before the request was
 * read, or went on with when that was over, was not for it.
 */
static uint8_t who_of(const struct lately_moment *m,
		      const struct lately_request *r)
{
	if (m->tid == r->reader)
		return SLOW_READER;
	if (m->tid == r->writer)
		return SLOW_WRITER;
	return m->from_ns >= r->read_ns && m->until_ns <= r->last_ns
		       ? SLOW_OTHER
		       : SLOW_NWHOS;
}

static uint64_t part_key(const struct wire_slow_part *p)
{
	return (uint64_t)p->node << 24 | (uint64_t)p->kind << 16 |
	       (uint64_t)p->why << 8 | p->who;
}

static void add_part(struct parts *parts, const struct wire_slow_part *part)
{
	uint64_t *place = hash_find(parts->places, part_key(part));
	struct wire_slow_part *to;

	if (place) {
		to = &parts->at.at[*place];
	} else {
		to = vec_push(&parts->at);
		if (!to || hash_set(parts->places, part_key(part),
				    parts->at.count - 1) < 0)
			return;
		*to = *part;
		to->ns = to->count = 0;
	}
	to->ns += part->ns;
	to->count += part->count;
}

static void gather(const struct lately *l, const struct lately_request *r,
		   struct parts *parts)
{
	uint64_t count = l->added < MOMENTS ? l->added : MOMENTS;

	for (uint64_t i = l->added - count; i < l->added; i++) {
		const struct lately_moment *m = &l->at[i % MOMENTS];
		uint64_t ns = m->pid == r->pid ? share_of(m, r) : 0;
		uint8_t who = who_of(m, r);

		if (ns && who != SLOW_NWHOS)
			add_part(parts, &(struct wire_slow_part) {
						.node = m->node,
						.kind = m->kind,
						.who = who,
						.why = m->why,
						.ns = ns,
						.count = 1,
					});
	}
}

static int by_weight(const void *a, const void *b)
{
	const struct wire_slow_part *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return (x->node > y->node) - (x->node < y->node);
}

static void forget(struct parts *parts)
{
	const struct wire_slow_part *p;

	vec_foreach (&parts->at, p)
		hash_remove(parts->places, part_key(p), NULL);
	parts->at.count = 0;
}

/* Those that weigh most; of the others only how much they were in all. */
static void tell_parts(const struct lately_request *r, const struct parts *all,
		       struct parts *rest, lately_tell *tell, void *context)
{
	struct wire_slow_part most[LATELY_PARTS];
	unsigned of[SLOW_NWHOS] = { 0 };
	const struct wire_slow_part *p;
	size_t count = 0;

	vec_foreach (&all->at, p) {
		struct wire_slow_part cut = *p;

		cut.node = 0;
		if (of[p->who]++ < PARTS_EACH)
			most[count++] = *p;
		else
			add_part(rest, &cut);
	}
	vec_foreach (&rest->at, p)
		if (count < LATELY_PARTS)
			most[count++] = *p;
	if (count)
		tell(context, r, most, count);
}

void lately_settle(struct lately *l, lately_tell *tell, void *context)
{
	struct parts all = { .places = NULL }, rest = { .places = NULL };

	if (!l->ended_count)
		return;
	all.places = hash_new();
	rest.places = hash_new();
	for (size_t i = 0; all.places && rest.places && i < l->ended_count;
	     i++) {
		gather(l, &l->ended[i], &all);
		if (all.at.count)
			qsort(all.at.at, all.at.count, sizeof(*all.at.at),
			      by_weight);
		tell_parts(&l->ended[i], &all, &rest, tell, context);
		forget(&all);
		forget(&rest);
	}
	l->ended_count = 0;
	vec_free(&all.at);
	vec_free(&rest.at);
	hash_free(all.places);
	hash_free(rest.places);
}
