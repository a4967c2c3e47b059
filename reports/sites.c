/*
 * sites: see sites.h.
 */
#include "reports/sites.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/hash.h"
#include "profiler/base/vec.h"
#include "reports/formats.h"

struct ranking {
	const struct model *m;
	enum model_kind kind;
};

/* Equal weights keep the order of the model, which is by stack. */
static int compare_sites(const void *a, const void *b, void *ranking)
{
	const struct ranking *r = ranking;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	double v = model_site_weight(&r->m->sites[x], r->kind);
	double w = model_site_weight(&r->m->sites[y], r->kind);

	if (v != w)
		return v > w ? -1 : 1;
	return (x > y) - (x < y);
}

uint32_t *sites_ranked(const struct model *m, enum model_kind kind)
{
	struct ranking ranking = { .m = m, .kind = kind };
	uint32_t *order = malloc((m->site_count + 1) * sizeof(*order));

	if (!order)
		return NULL;
	for (uint32_t i = 0; i < m->site_count; i++)
		order[i] = i;
	qsort_r(order, m->site_count, sizeof(*order), compare_sites, &ranking);
	return order;
}

/* What a site may matter by, beside the kind that is asked for. */
static double allocated(const struct model_site *s)
{
	return s->allocated.bytes;
}

static double live(const struct model_site *s)
{
	return s->live.bytes;
}

static double at_peak(const struct model_site *s)
{
	return s->peak.bytes;
}

static double temporary(const struct model_site *s)
{
	return s->temporary.bytes;
}

static double inherited(const struct model_site *s)
{
	return s->inherited_freed.bytes;
}

static double mapped(const struct model_site *s)
{
	return s->mapped;
}

static double descriptors(const struct model_site *s)
{
	return s->descriptors;
}

static double unreachable(const struct model_site *s)
{
	return s->unreachable.bytes;
}

static double (*const measures[])(const struct model_site *) = {
	live,	   allocated, at_peak,	   temporary,
	inherited, mapped,    descriptors, unreachable,
};

struct weighing {
	const struct model *m;
	double (*measure)(const struct model_site *);
};

static int compare_measured(const void *a, const void *b, void *weighing)
{
	const struct weighing *w = weighing;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	double v = w->measure(&w->m->sites[x]);
	double u = w->measure(&w->m->sites[y]);

	if (v != u)
		return v > u ? -1 : 1;
	return (x > y) - (x < y);
}

static void keep_heaviest(bool *kept, const struct model *m, uint32_t *order,
			  double (*measure)(const struct model_site *))
{
	struct weighing weighing = { m, measure };

	qsort_r(order, m->site_count, sizeof(*order), compare_measured,
		&weighing);
	for (uint32_t i = 0; i < SITES_HEAVIEST; i++) {
		if (measure(&m->sites[order[i]]) <= 0)
			return;
		kept[order[i]] = true;
	}
}

int sites_kept(const struct model *m, enum model_kind kind, uint32_t **ranked,
	       uint32_t *count)
{
	uint32_t *order = NULL, n = 0;
	bool *kept = NULL;

	*ranked = sites_ranked(m, kind);
	*count = m->site_count;
	if (*ranked && m->site_count <= SITES_ALL)
		return 0;
	order = malloc((m->site_count + 1) * sizeof(*order));
	kept = calloc(m->site_count + 1, sizeof(*kept));
	if (!*ranked || !order || !kept) {
		free(*ranked);
		*ranked = NULL;
		n = 0;
		goto free_both;
	}
	memcpy(order, *ranked, m->site_count * sizeof(*order));
	for (uint32_t i = 0; i < SITES_HEAVIEST; i++)
		kept[(*ranked)[i]] = true;
	for (size_t i = 0; i < sizeof(measures) / sizeof(*measures); i++)
		keep_heaviest(kept, m, order, measures[i]);
	for (uint32_t i = 0; i < m->site_count; i++)
		if (kept[(*ranked)[i]])
			(*ranked)[n++] = (*ranked)[i];
free_both:
	free(order);
	free(kept);
	*count = n;
	return *ranked ? 0 : -ENOMEM;
}

uint32_t sites_blamed(const struct model *m, const struct report_options *opt,
		      const struct model_site *site)
{
	for (uint32_t node = model_blamed(m, site->node); node != MODEL_NONE;
	     node = m->nodes[node].parent) {
		uint32_t frame = m->nodes[node].frame;

		if (!report_hides(opt, &m->frames[frame]))
			return frame;
	}
	return MODEL_NONE;
}

static void add(struct estimate *to, const struct estimate *e)
{
	to->bytes += e->bytes;
	to->bytes_variance += e->bytes_variance;
	to->count += e->count;
	to->count_variance += e->count_variance;
}

/* The variance that goes with model_site_weight(). */
static double weight_variance(const struct model_site *s, enum model_kind kind)
{
	switch (kind) {
	case MODEL_ALLOC:
		return s->allocated.bytes_variance;
	case MODEL_PEAK:
		return s->peak.bytes_variance;
	case MODEL_TEMPORARY:
		return s->temporary.bytes_variance;
	default:
		return s->live.bytes_variance;
	}
}

static int compare_groups(const void *a, const void *b)
{
	const struct site_group *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return (x->frame > y->frame) - (x->frame < y->frame);
}

struct grouping {
	VEC(struct site_group) groups;
	struct hash *by_frame; /* frame -> index of its group */
};

static int add_site(struct grouping *grouping, const struct model *m,
		    const struct report_options *opt, uint32_t site)
{
	const struct model_site *s = &m->sites[site];
	uint32_t frame = sites_blamed(m, opt, s);
	uint64_t *known = hash_find(grouping->by_frame, frame);
	double weight = model_site_weight(s, opt->kind);
	struct site_group *g;

	if (!known && weight <= 0)
		return 0;
	g = known ? &grouping->groups.at[*known] : vec_push(&grouping->groups);
	if (!g)
		return -ENOMEM;
	if (!known) {
		if (hash_set(grouping->by_frame, frame,
			     grouping->groups.count - 1) < 0)
			return -ENOMEM;
		g->frame = frame;
		g->largest = site;
	}
	if (weight > 0) {
		g->stacks++;
		g->weight += weight;
		g->weight_variance += weight_variance(s, opt->kind);
	}
	add(&g->live, &s->live);
	add(&g->allocated, &s->allocated);
	add(&g->peak, &s->peak);
	add(&g->temporary, &s->temporary);
	return 0;
}

int sites_grouped(const struct model *m, const struct report_options *opt,
		  struct site_group **groups, size_t *count)
{
	struct grouping grouping = { VEC_INIT, hash_new() };
	uint32_t *order = sites_ranked(m, opt->kind);
	int rc = grouping.by_frame && order ? 0 : -ENOMEM;

	/* Heaviest first, so a group's first site is its largest. */
	for (uint32_t i = 0; rc == 0 && i < m->site_count; i++)
		rc = add_site(&grouping, m, opt, order[i]);
	free(order);
	hash_free(grouping.by_frame);
	if (rc < 0) {
		vec_free(&grouping.groups);
		return rc;
	}
	if (grouping.groups.count > 0)
		qsort(grouping.groups.at, grouping.groups.count,
		      sizeof(*grouping.groups.at), compare_groups);
	*groups = grouping.groups.at;
	*count = grouping.groups.count;
	return 0;
}

double sites_margin(double variance)
{
	return variance > 0 ? 1.96 * sqrt(variance) : 0;
}
