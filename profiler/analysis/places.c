/*
 * places: see places.h.
 */
#include "profiler/analysis/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/axis.h"
#include "profiler/base/hash.h"
#include "profiler/model/model.h"

#define ROUTE_SHARE 0.9 /* of a site's bytes: the site is for that route */

struct gathering {
	struct places *places;
	const struct model *m;
	const struct axis *a;
	struct hash *by_frame;	    /* frame -> index of its place */
	struct model_level *levels; /* of one site */
};

static struct place *place_of(struct gathering *g, uint32_t frame)
{
	uint64_t *found = hash_find(g->by_frame, frame);
	struct place *p;

	if (found)
		return &g->places->list.at[*found];
	p = vec_push(&g->places->list);
	if (!p)
		return NULL;
	p->frame = frame;
	p->node = MODEL_NONE;
	p->most = -1;
	p->level = calloc((size_t)g->a->count + 1, sizeof(*p->level));
	p->low = calloc((size_t)g->a->count + 1, sizeof(*p->low));
	p->end = calloc((size_t)g->a->count + 1, sizeof(*p->end));
	if (!p->level || !p->low || !p->end ||
	    hash_set(g->by_frame, frame, g->places->list.count - 1) < 0)
		return NULL;
	return p;
}

static bool starts_thread(const struct model *m, uint32_t node)
{
	for (; node != MODEL_NONE; node = m->nodes[node].parent)
		if (!strncmp(m->frames[m->nodes[node].frame].function,
			     "pthread_create", 14))
			return true;
	return false;
}

static double smaller(double a, double b)
{
	return a < b ? a : b;
}

/* Into *@to the figure at @offset where each window began; made at the first
 * that is not 0. */
static int add_column(struct gathering *g, double **to, size_t offset)
{
	const struct model_level *at = g->levels + g->a->first;

	/* Levels say what was there when a window ended. */
	for (uint32_t i = g->a->first ? 0 : 1; i < g->a->count; i++) {
		double value;

		memcpy(&value, (const char *)(at + i - 1) + offset,
		       sizeof(value));
		if (value == 0)
			continue;
		if (!*to)
			*to = calloc((size_t)g->a->count + 1, sizeof(**to));
		if (!*to)
			return -ENOMEM;
		(*to)[i] += value;
	}
	return 0;
}

static void add_unreachable(struct place *p, const struct model_site *s,
			    bool first)
{
	if (first)
		p->unreachable = p->twice = s->unreachable.bytes < 0 ? -1 : 0;
	if (s->unreachable.bytes < 0 || p->unreachable < 0)
		return;
	p->unreachable += s->unreachable.bytes;
	p->twice += s->unreachable.twice_bytes;
}

static void add_route(struct place *p, const struct model_site *s, double grew)
{
	if (grew <= 0)
		return;
	p->grew += grew;
	if (!s->route || s->route_share < ROUTE_SHARE)
		return;
	if (!p->route)
		p->route = s->route;
	if (p->route == s->route) /* a model's strings are one each */
		p->grew_for_route += grew;
}

static void add_figures(struct gathering *g, struct place *p,
			const struct model_site *s, uint32_t blamed)
{
	const struct model_level *at = g->levels + g->a->first;
	uint32_t count = g->a->count;
	double grew = 0;

	if (count) {
		p->kept += at[count - 1].end - at[0].end;
		grew = at[count - 1].end + at[count - 1].mapped - at[0].low;
	}
	add_unreachable(p, s, p->node == MODEL_NONE);
	add_route(p, s, grew);
	if (p->node == MODEL_NONE || grew > p->most) {
		p->most = grew;
		p->node = blamed;
	}
	p->live += s->live.bytes;
	p->blocks += s->live.count;
	p->blocks_variance += s->live.count_variance;
	p->mapped += s->mapped;
	p->allocated += s->allocated.bytes;
	p->variance_per_byte += s->allocated.bytes_variance;
	p->samples += s->samples;
	p->in_thread_start |= starts_thread(g->m, s->node);
}

static int add_site(struct gathering *g, const struct model_site *s)
{
	const struct model_level *at = g->levels + g->a->first;
	uint32_t blamed = model_blamed(g->m, s->node);
	struct place *p = place_of(g, g->m->nodes[blamed].frame);

	if (!p)
		return -ENOMEM;
	model_levels(g->m, s, g->levels);
	for (uint32_t i = 0; i < g->a->count; i++) {
		double level = smaller(at[i].low, at[i].old);

		p->level[i] += level;
		p->low[i] += at[i].low;
		p->end[i] += at[i].end;
		p->born += i ? at[i].allocated : 0;
		g->places->total[i] += level;
	}
	add_figures(g, p, s, blamed);
	if (add_column(g, &p->mapping, offsetof(struct model_level, mapped)) <
	    0)
		return -ENOMEM;
	return add_column(g, &p->descriptors,
			  offsetof(struct model_level, descriptors));
}

int places_init(struct places *p, const struct model *m, const struct axis *a)
{
	struct gathering g = { p, m, a, hash_new(), NULL };
	struct place *place;
	int rc = 0;

	memset(p, 0, sizeof(*p));
	p->total = calloc((size_t)a->count + 1, sizeof(*p->total));
	g.levels = calloc((size_t)m->window_count + 1, sizeof(*g.levels));
	if (!g.by_frame || !g.levels || !p->total)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < m->site_count && rc == 0; i++)
		rc = add_site(&g, &m->sites[i]);
	vec_foreach (&p->list, place)
		place->variance_per_byte /=
			place->allocated > 0 ? place->allocated : 1;
	hash_free(g.by_frame);
	free(g.levels);
	if (rc < 0)
		places_fini(p);
	return rc;
}

void places_fini(struct places *p)
{
	struct place *place;

	vec_foreach (&p->list, place) {
		free(place->level);
		free(place->low);
		free(place->end);
		free(place->mapping);
		free(place->descriptors);
	}
	vec_free(&p->list);
	free(p->total);
	p->total = NULL;
}
