/*
 * handlers: what the stacks say of functions that were asked for, where none
 * of their calls was timed.
 *
 * Of Python no call can be timed from outside: since 3.11 one function of
 * Python calls another without a call of the machine.  But it is on the
 * stacks of what it does.  An async one is not on any while it awaits, and so
 * what it awaits is not in its time.  What is known of it by the clock are the
 * requests that it answers (answers.c).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"
#include "profiler/model/named.h"
#include "profiler/model/near.h"

/* By node: is it the handler, or below it? */
static bool *find_below(const struct model *m, const char *name)
{
	bool *is = calloc(m->frame_count + 1, sizeof(*is));
	bool *below = calloc(m->node_count + 1, sizeof(*below));

	if (is && below) {
		for (uint32_t i = 0; i < m->frame_count; i++)
			is[i] = named_frame(&m->frames[i], name);
		for (uint32_t i = 0; i < m->node_count; i++) {
			uint32_t parent = m->nodes[i].parent;

			below[i] = is[m->nodes[i].frame] ||
				   (parent != MODEL_NONE && below[parent]);
		}
	} else {
		free(below);
		below = NULL;
	}
	free(is);
	return below;
}

struct sums {
	double cpu, offcpu, live_variance, alloc_variance;
};

static struct sums sum_up(const struct model *m, const bool *below,
			  struct model_handler *h)
{
	struct sums sums = { 0 };

	for (uint32_t i = 0; i < m->site_count; i++) {
		const struct model_site *s = &m->sites[i];

		if (!below[s->node])
			continue;
		h->seen = true;
		sums.cpu += s->cpu;
		sums.offcpu += s->offcpu;
		h->alloc_bytes += s->allocated.bytes;
		h->alloc_objects += s->allocated.count;
		sums.alloc_variance += s->allocated.bytes_variance;
		h->live_bytes += s->live.bytes;
		sums.live_variance += s->live.bytes_variance;
	}
	return sums;
}

struct looked { /* who looked at what */
	bool waits, heap;
};

static struct looked what_is_known(const struct model *m,
				   const struct trace_view *v)
{
	struct looked l = { .heap = m->totals.allocated.count > 0 };

	for (size_t i = 0; i < v->image_count; i++)
		l.heap |= !v->images[i].probed;
	for (uint32_t i = 0; i < m->site_count; i++)
		l.waits |= m->sites[i].offcpu > 0;
	return l;
}

/* A look stands for the time until the next one; how many there were is
 * Poisson's. */
static void set_times(struct model_handler *h, const struct model *m,
		      const struct sums *sums, const struct looked *l)
{
	double period = m->looks > 0 ? 1e9 / m->looks : NAN;

	h->cpu_ms = (m->looks > 0 ? sums->cpu : NAN) / 1e6;
	h->cpu_margin_ms = 1.96 * sqrt(sums->cpu * period) / 1e6;
	h->waiting_ms = (l->waits ? sums->offcpu : NAN) / 1e6;
}

/* Nobody looked at what is allocated. */
static void leave_heap_open(struct model_handler *h)
{
	h->alloc_bytes = h->alloc_objects = h->alloc_margin = NAN;
	h->live_bytes = h->live_margin = NAN;
}

static int find_near(struct model *m, const struct trace_view *v,
		     struct model_handler *h)
{
	int count = near_find(m, v, h->name, h->near);

	h->near_count = count < 0 ? 0 : (uint32_t)count;
	return count < 0 ? count : 0;
}

static int fill(struct model *m, const struct trace_view *v, const char *name,
		const struct looked *l)
{
	struct model_handler *h = &m->handlers[m->handler_count++];
	bool *below = find_below(m, name);
	struct sums sums;
	int rc;

	*h = (struct model_handler) { .name = model_string(m, name),
				      .python = named_python(name),
				      .alloc_bytes_per_request = NAN };
	if (!below || !h->name) {
		free(below);
		return -ENOMEM;
	}
	sums = sum_up(m, below, h);
	set_times(h, m, &sums, l);
	h->alloc_margin = 1.96 * sqrt(fmax(sums.alloc_variance, 0));
	h->live_margin = 1.96 * sqrt(fmax(sums.live_variance, 0));
	if (!l->heap)
		leave_heap_open(h);
	rc = build_answers(m, v, below, h);
	free(below);
	if (rc == 0 && !h->seen && !h->answers)
		rc = find_near(m, v, h);
	return rc;
}

static bool is_span(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->span_count; i++)
		if (strcmp(m->spans[i].name, name) == 0)
			return true;
	return false;
}

int build_handlers(struct model *m, const struct trace_view *v)
{
	const struct trace_meta *meta = &v->meta;
	struct looked looked = what_is_known(m, v);
	int rc = 0;

	m->looks = (double)meta->hertz;
	m->handlers = calloc(meta->handler_count + 1, sizeof(*m->handlers));
	if (!m->handlers)
		return -ENOMEM;
	for (size_t i = 0; i < meta->handler_count && rc == 0; i++)
		if (!is_span(m, meta->handlers[i]))
			rc = fill(m, v, meta->handlers[i], &looked);
	return rc;
}
