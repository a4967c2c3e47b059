#include "profiler/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/base/intern.h"
#include "profiler/model/build.h"

/* A model with what it owns behind it; model.h shows only the front. */
struct owned_model {
	struct model model; /* first: model_free() casts back */
	struct intern *strings;
};

static const char *const kind_names[] = {
	[MODEL_LIVE] = "live", [MODEL_ALLOC] = "alloc",
	[MODEL_PEAK] = "peak", [MODEL_TEMPORARY] = "temporary",
	[MODEL_RSS] = "rss",   [MODEL_LEAK] = "leak",
	[MODEL_CPU] = "cpu",   [MODEL_OFFCPU] = "offcpu",
	[MODEL_WALL] = "wall",
};

struct model *model_new(void)
{
	struct owned_model *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->strings = intern_new();
	if (!o->strings) {
		free(o);
		return NULL;
	}
	o->model.main_process = MODEL_NONE;
	return &o->model;
}

static void endpoint_fini(struct model_endpoint *p)
{
	free((void *)p->windows);
	free((void *)p->window_mean_ms);
	free((void *)p->window_max_ms);
	free((void *)p->course);
	free((void *)p->took.buckets);
	free((void *)p->ttfb.buckets);
	free((void *)p->gap.buckets);
	free((void *)p->queue.buckets);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	intern_free(((struct owned_model *)m)->strings);
	free(m->frames);
	free(m->frame_roles);
	free(m->nodes);
	free(m->sites);
	free(m->ledger);
	free(m->scans);
	free(m->windows);
	free(m->levels);
	free(m->charges);
	free(m->makers);
	for (uint32_t i = 0; i < m->endpoint_count; i++)
		endpoint_fini(&m->endpoints[i]);
	free(m->endpoints);
	free(m->spans);
	free(m->handlers);
	free(m->slow);
	free(m->slow_parts);
	free(m->processes);
	free(m->modules);
	free(m->threads);
	free(m->marks);
	free(m->losses);
	free(m->problems);
	free(m->notes);
	free(m);
}

const char *model_string(struct model *m, const char *text)
{
	struct intern *strings = ((struct owned_model *)m)->strings;
	uint32_t id = intern_id(strings, text);

	return id == INTERN_NONE ? NULL : intern_text(strings, id);
}

int model_kind_parse(const char *text, enum model_kind *kind, struct err *err)
{
	for (int k = MODEL_LIVE; k <= MODEL_WALL; k++) {
		if (!strcmp(text, kind_names[k])) {
			*kind = (enum model_kind)k;
			return 0;
		}
	}
	return err_set(err, -EINVAL,
		       "unknown kind '%s': a recording has live, alloc, peak, "
		       "temporary, rss, leak, cpu, offcpu and wall",
		       text);
}

const char *model_kind_name(enum model_kind kind)
{
	return kind_names[kind];
}

bool model_sees_heap(const struct model *m)
{
	return !m->mode || strcmp(m->mode, "probes") != 0 ||
	       m->live_trend.peak > 0 || m->totals.allocated.count > 0;
}

void model_levels(const struct model *m, const struct model_site *site,
		  struct model_level *out)
{
	struct model_level last = { 0 };
	uint32_t next = 0;

	for (uint32_t w = 0; w < m->window_count; w++) {
		if (next < site->level_count &&
		    site->levels[next].window == w) {
			last = site->levels[next++];
			out[w] = last;
			continue;
		}
		/* Nothing happened: what there is has grown old. */
		last.window = w;
		last.low = last.end;
		last.old = last.end;
		last.allocated = 0;
		out[w] = last;
	}
}

double model_site_weight(const struct model_site *site, enum model_kind kind)
{
	switch (kind) {
	case MODEL_LIVE:
		return site->live.bytes;
	case MODEL_ALLOC:
		return site->allocated.bytes;
	case MODEL_PEAK:
		return site->peak.bytes;
	case MODEL_TEMPORARY:
		return site->temporary.bytes;
	case MODEL_RSS:
		return site->paged ? site->resident : site->mapped;
	case MODEL_LEAK:
		return site->leaked;
	case MODEL_CPU:
		return site->cpu;
	case MODEL_OFFCPU:
		return site->offcpu;
	case MODEL_WALL:
		return site->cpu + site->offcpu;
	}
	return 0;
}
