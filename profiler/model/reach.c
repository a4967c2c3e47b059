/*
 * reach: what the scans of the processes say of the sites.
 *
 * Of each process the last scan counts.  A site one of whose blocks was found
 * unreachable and was released later keeps its pointers where no scan sees
 * them (hidden, packed, in a kernel queue): what scans say of it means
 * nothing, and it is shown as reachable.  So is a site with no more of such
 * blocks than events were lost: their release may be among them.
 */
#include <errno.h>
#include <stdlib.h>

#include "profiler/base/hash.h"
#include "profiler/model/build.h"

/* One freed in so many shows that the others may be in use. */
#define REFUTED_BY 1000

struct tally { /* of one site, over the last scans of all processes */
	double count, bytes, twice_count, twice_bytes;
	double freed_count; /* over all scans */
	double lost;
	bool hidden;
};

struct reading {
	struct model *m;
	const struct trace_view *v;
	struct hash *site_of; /* image, node -> site */
	struct tally *tallies;
	uint64_t *last; /* by image: instant of its last scan, 0 none */
};

static uint64_t site_key(uint32_t image, uint32_t node)
{
	return (uint64_t)image << 32 | node;
}

static int index_sites(struct reading *r, const struct build_part *parts,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct trace_image *im = &r->v->images[parts[i].image];
		uint32_t node = im->result.stacks[parts[i].stack].node;

		if (hash_set(r->site_of, site_key(parts[i].image, node),
			     parts[i].site) < 0)
			return -ENOMEM;
	}
	return 0;
}

static uint32_t image_of(const struct trace_view *v,
			 const struct wire_reach *scan)
{
	for (uint32_t i = 0; i < v->image_count; i++)
		if (v->images[i].header.pid == scan->pid &&
		    v->images[i].header.image == scan->image)
			return i;
	return MODEL_NONE;
}

static void find_last(struct reading *r)
{
	for (size_t i = 0; i < r->v->reach_count; i++) {
		const struct wire_reach *s = &r->v->reaches[i].summary;
		uint32_t image = image_of(r->v, s);

		if (image != MODEL_NONE && s->at_ns > r->last[image])
			r->last[image] = s->at_ns;
	}
}

static void add_site(struct reading *r, const struct trace_reach *scan,
		     uint32_t image, const struct wire_reach_site *w)
{
	uint64_t *site = hash_find(r->site_of, site_key(image, w->node));
	struct tally *t;

	if (!site)
		return;
	t = &r->tallies[*site];
	t->freed_count += (double)w->freed_count;
	if (scan->summary.at_ns != r->last[image])
		return;
	t->count += (double)w->count;
	t->bytes += (double)w->bytes;
	t->twice_count += (double)w->twice_count;
	t->twice_bytes += (double)w->twice_bytes;
	t->lost += (double)scan->summary.lost;
	t->hidden |= scan->summary.flags & REACH_HIDDEN;
}

static struct model_scan *scan_of(struct model *m, const struct trace_view *v,
				  const struct wire_reach *s)
{
	struct model_scan *last =
		m->scan_count ? &m->scans[m->scan_count - 1] : NULL;
	double t = build_seconds(v, s->at_ns);

	if (last && last->pid == s->pid && last->t == t)
		return last; /* another part of it */
	m->scans[m->scan_count] = (struct model_scan) {
		.t = t,
		.pid = s->pid,
		.pause_ms = (double)s->pause_ns / 1e6,
		.scan_ms = (double)s->scan_ns / 1e6,
		.scanned_bytes = (double)s->bytes,
		.blocks = (double)s->blocks,
	};
	return &m->scans[m->scan_count++];
}

static void read_scan(struct reading *r, const struct trace_reach *scan)
{
	struct model_scan *sum = scan_of(r->m, r->v, &scan->summary);
	uint32_t image = image_of(r->v, &scan->summary);

	for (size_t i = 0; i < scan->site_count; i++) {
		const struct wire_reach_site *w = &scan->sites[i];

		sum->bytes += (double)w->bytes;
		sum->count += (double)w->count;
		sum->twice_bytes += (double)w->twice_bytes;
		sum->twice_count += (double)w->twice_count;
		sum->freed_bytes += (double)w->freed_bytes;
		sum->freed_count += (double)w->freed_count;
		if (image != MODEL_NONE)
			add_site(r, scan, image, w);
	}
}

static void fill_site(struct model_site *site, const struct tally *t)
{
	site->unreachable.bytes = 0;
	site->unreachable.count = 0;
	site->unreachable.twice_bytes = 0;
	if (t->count <= t->lost ||
	    (t->freed_count > 0 && t->freed_count * REFUTED_BY >= t->count))
		return;
	site->unreachable.bytes = t->bytes;
	site->unreachable.count = t->count;
	if (!t->hidden)
		site->unreachable.twice_bytes = t->twice_bytes;
}

static void fill_sites(struct reading *r)
{
	struct model *m = r->m;

	for (uint32_t i = 0; i < m->site_count; i++) {
		m->sites[i].unreachable.bytes = -1;
		m->sites[i].unreachable.count = -1;
		m->sites[i].unreachable.twice_bytes = -1;
		if (m->scan_count)
			fill_site(&m->sites[i], &r->tallies[i]);
	}
}

int build_reach(struct model *m, const struct trace_view *v,
		const struct build_part *parts, size_t count)
{
	struct reading r = { .m = m, .v = v, .site_of = hash_new() };
	int rc = -ENOMEM;

	m->scans = calloc(v->reach_count + 1, sizeof(*m->scans));
	r.tallies = calloc((size_t)m->site_count + 1, sizeof(*r.tallies));
	r.last = calloc(v->image_count + 1, sizeof(*r.last));
	if (m->scans && r.tallies && r.last && r.site_of)
		rc = v->reach_count ? index_sites(&r, parts, count) : 0;
	if (rc == 0) {
		find_last(&r);
		for (size_t i = 0; i < v->reach_count; i++)
			read_scan(&r, &v->reaches[i]);
		fill_sites(&r);
	}
	hash_free(r.site_of);
	free(r.tallies);
	free(r.last);
	return rc;
}
