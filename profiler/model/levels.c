/*
 * levels: what the whole target and each of its sites held over time.
 *
 * Every process has windows of its own width, which doubles as it lives.
 * They are put on one grid of equal windows as wide as the widest of them;
 * a window of a process's own counts for the one of the grid that its middle
 * lies in.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"

#define READINGS_MISSED 3 /* of the ledger: the process is gone */
#define WINDOWS_MAX	3600
#define LEVELS_MAX	(1u << 19) /* of all sites: 24 MiB */

static double widest_window(const struct trace_view *v)
{
	double width = FOLD_WINDOW_NS / 1e9;

	for (size_t i = 0; i < v->image_count; i++) {
		double w = (double)v->images[i].result.window_ns / 1e9;

		/* One window may be all time that there is: damage. */
		if (w > width && v->images[i].result.window_count > 1)
			width = w;
	}
	return width;
}

static int make_grid(struct model *m, const struct trace_view *v)
{
	double width = widest_window(v), count = ceil(m->duration / width);

	if (!(count >= 1))
		count = 1;
	if (count > WINDOWS_MAX) {
		count = WINDOWS_MAX;
		width = m->duration / count;
	}
	m->windows = calloc((size_t)count, sizeof(*m->windows));
	if (!m->windows)
		return -ENOMEM;
	m->window_count = (uint32_t)count;
	m->window_seconds = width;
	for (uint32_t w = 0; w < m->window_count; w++)
		m->windows[w].t = w * width;
	return 0;
}

uint32_t build_window(const struct model *m, double t)
{
	double w = t / m->window_seconds;

	if (!(w > 0))
		return 0;
	return w < m->window_count ? (uint32_t)w : m->window_count - 1;
}

uint32_t build_fold_window(const struct model *m, const struct trace_view *v,
			   const struct fold_result *r, size_t k)
{
	double width = (double)r->window_ns / 1e9;

	return build_window(m, build_seconds(v, r->first_ns) +
				       width * ((double)k + 0.5));
}

/*
 * A child that leaves by _exit between two looks may have no end on record.
 * Who lives is in the ledger at each reading: seconds of the last sign of
 * @im, INFINITY when that is not long ago or there is no ledger.
 */
static double last_sign(const struct trace_view *v,
			const struct trace_image *im)
{
	double interval = (double)v->meta.interval_ms / 1e3, end;
	double last = build_seconds(v, im->result.last_ns);

	if (!v->ledger_count || !(interval > 0))
		return INFINITY;
	end = build_seconds(v, v->ledger[v->ledger_count - 1].at_ns);
	for (size_t i = v->ledger_count; i-- > 0;) {
		double t = build_seconds(v, v->ledger[i].at_ns);

		if (v->ledger[i].pid != im->header.pid)
			continue;
		last = t > last ? t : last;
		break;
	}
	return end - last > READINGS_MISSED * interval ? last : INFINITY;
}

/*
 * Seconds at which @im's memory went back to the kernel, INFINITY when it
 * lived for as long as anybody looked.
 */
static double image_gone(const struct model *m, const struct trace_view *v,
			 const struct trace_image *im)
{
	double ended = INFINITY;

	if (im->header.ended_monotonic_ns)
		ended = build_seconds(v, im->header.ended_monotonic_ns);
	for (size_t i = 0; i < v->process_count && isinf(ended); i++)
		if (v->processes[i].pid == im->header.pid &&
		    v->processes[i].ended)
			ended = build_seconds(v, v->processes[i].at_ns);
	if (isinf(ended))
		ended = last_sign(v, im);
	return ended < m->duration - m->window_seconds ? ended : INFINITY;
}

static double *image_ends(const struct model *m, const struct trace_view *v)
{
	double *ends = malloc((v->image_count + 1) * sizeof(*ends));

	for (size_t i = 0; i < v->image_count && ends; i++)
		ends[i] = image_gone(m, v, &v->images[i]);
	return ends;
}

static void add_held(struct model_window *to, const struct fold_window *from)
{
	if (!from)
		return;
	to->live_bytes += from->live.bytes;
	to->mapped_bytes += from->mapped;
}

static void add_totals(struct model *m, const struct trace_view *v,
		       const struct trace_image *im)
{
	const struct fold_result *r = &im->result;
	double gone = image_gone(m, v, im);
	const struct fold_window *held = NULL;
	uint32_t w = 0;

	for (size_t k = 0; k < r->window_count; k++) {
		const struct fold_window *from = &r->windows[k];
		uint32_t to = build_fold_window(m, v, r, k);

		for (; w < to; w++)
			add_held(&m->windows[w], held);
		held = from;
		m->windows[to].allocated_bytes += from->allocated.bytes;
		m->windows[to].released_bytes += from->released.bytes;
		m->windows[to].allocations += from->allocated.count;
		m->windows[to].releases += from->released.count;
	}
	for (; w < m->window_count && m->windows[w].t < gone; w++)
		add_held(&m->windows[w], held);
}

int build_windows(struct model *m, const struct trace_view *v)
{
	int rc = make_grid(m, v);

	for (size_t i = 0; i < v->image_count && rc == 0; i++)
		add_totals(m, v, &v->images[i]);
	return rc;
}

struct scratch {
	const struct model *m;
	const struct trace_view *v;
	double *gone;		 /* by image, see image_gone() */
	struct fold_level *own;	 /* a process's windows */
	struct model_level *sum; /* the grid's */
	struct model_level *all; /* of all sites, one after the other */
	size_t used;
};

static void add_level(struct model_level *to, const struct model_level *l)
{
	to->end += l->end;
	to->low += l->low;
	to->old += l->old;
	to->count += l->count;
	to->allocated += l->allocated;
	to->mapped += l->mapped;
	to->descriptors += l->descriptors;
}

/* Windows of its own that fall into one of the grid are one there. */
static void join_level(struct model_level *l, const struct fold_level *next,
		       bool first)
{
	l->end = next->end;
	l->count = next->count;
	l->mapped = next->mapped;
	l->descriptors = next->descriptors;
	l->low = first || next->low < l->low ? next->low : l->low;
	l->old = first || next->old < l->old ? next->old : l->old;
	l->allocated += next->allocated;
}

static void add_stack(struct scratch *s, const struct build_part *part)
{
	const struct fold_result *r = &s->v->images[part->image].result;
	struct model_level now = { 0 };
	uint32_t w = 0, to;
	bool first = true;

	fold_levels(r, &r->stacks[part->stack], s->own);
	for (size_t k = 0; k < r->window_count; k++) {
		to = build_fold_window(s->m, s->v, r, k);
		for (; w < to; w++) {
			add_level(&s->sum[w], &now);
			now.low = now.old = now.end;
			now.allocated = 0;
			first = true;
		}
		join_level(&now, &s->own[k], first);
		first = false;
	}
	for (; w < s->m->window_count &&
	       s->m->windows[w].t < s->gone[part->image];
	     w++) {
		add_level(&s->sum[w], &now);
		now.low = now.old = now.end;
		now.allocated = 0;
	}
}

static bool changed(const struct model_level *l,
		    const struct model_level *before)
{
	return l->allocated > 0 || l->end != before->end ||
	       l->low != before->end || l->old != before->end ||
	       l->count != before->count || l->mapped != before->mapped ||
	       l->descriptors != before->descriptors;
}

/* Keep of the sums what model_levels() would not find by itself. */
static void keep_levels(struct scratch *s, struct model_site *site)
{
	struct model_level before = { 0 };

	site->levels = s->all + s->used;
	for (uint32_t w = 0; w < s->m->window_count; w++) {
		struct model_level *l = &s->sum[w];

		if (!changed(l, &before))
			continue;
		if (s->used == LEVELS_MAX) {
			site->levels = NULL;
			site->level_count = 0;
			return;
		}
		l->window = w;
		before = s->all[s->used++] = *l;
		site->level_count++;
	}
}

static double importance(const struct model_site *s)
{
	return s->live.bytes > s->peak.bytes ? s->live.bytes : s->peak.bytes;
}

struct rank {
	double importance;
	uint32_t site;
};

static int by_importance(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->importance != y->importance)
		return x->importance > y->importance ? -1 : 1;
	return (x->site > y->site) - (x->site < y->site);
}

static struct rank *rank_sites(const struct model *m)
{
	struct rank *ranks = calloc(m->site_count + 1, sizeof(*ranks));

	if (!ranks)
		return NULL;
	for (uint32_t i = 0; i < m->site_count; i++)
		ranks[i] = (struct rank) { importance(&m->sites[i]), i };
	qsort(ranks, m->site_count, sizeof(*ranks), by_importance);
	return ranks;
}

static void fill_site(struct scratch *s, struct model_site *site,
		      const struct build_part *parts, size_t count)
{
	memset(s->sum, 0, s->m->window_count * sizeof(*s->sum));
	for (size_t i = 0; i < count; i++)
		add_stack(s, &parts[i]);
	keep_levels(s, site);
}

static size_t most_windows(const struct trace_view *v)
{
	size_t most = 0;

	for (size_t i = 0; i < v->image_count; i++)
		if (v->images[i].result.window_count > most)
			most = v->images[i].result.window_count;
	return most;
}

static int by_site(const void *a, const void *b)
{
	const struct build_part *x = a, *y = b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->image != y->image)
		return x->image < y->image ? -1 : 1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static void fill_sites(struct scratch *s, struct model *m,
		       const struct build_part *parts, const size_t *from,
		       const struct rank *ranks)
{
	/* Sites that hold most first: they get room. */
	for (uint32_t i = 0; i < m->site_count && s->used < LEVELS_MAX; i++) {
		uint32_t site = ranks[i].site;

		fill_site(s, &m->sites[site], parts + from[site],
			  from[site + 1] - from[site]);
	}
}

int build_levels(struct model *m, const struct trace_view *v,
		 struct build_part *parts, size_t count)
{
	struct scratch s = { .m = m, .v = v };
	struct rank *ranks = rank_sites(m);
	size_t *from = calloc((size_t)m->site_count + 2, sizeof(*from));
	int rc = -ENOMEM;

	s.gone = image_ends(m, v);
	s.own = calloc(most_windows(v) + 1, sizeof(*s.own));
	s.sum = calloc(m->window_count + 1, sizeof(*s.sum));
	s.all = malloc(LEVELS_MAX * sizeof(*s.all));
	if (!ranks || !from || !s.gone || !s.own || !s.sum || !s.all)
		goto out;
	if (count)
		qsort(parts, count, sizeof(*parts), by_site);
	for (size_t i = 0; i < count; i++)
		from[parts[i].site + 1]++;
	for (uint32_t i = 0; i < m->site_count; i++)
		from[i + 1] += from[i];
	fill_sites(&s, m, parts, from, ranks);
	m->levels = s.all; /* what was not used was never touched */
	s.all = NULL;
	rc = 0;
out:
	free(ranks);
	free(from);
	free(s.gone);
	free(s.own);
	free(s.sum);
	free(s.all);
	return rc;
}
