/*
 * handlers: what the stacks say of functions that were asked for, where none
 * of their calls was timed.
 *
 * Of Python no call can be timed from outside: since 3.11 one function of
 * Python calls another without a call of the machine.  But it is on the
 * stacks of what it does.  An async one is not on any while it awaits, and so
 * what it awaits is not in its time.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"

#define PYTHON	   "python:"
#define LOCALS	   "<locals>."
#define NEARLY_ALL 0.9

static bool is_native(const char *function, const char *name)
{
	const char *colon = strchr(name, ':');
	size_t len;

	/* "libindex.so:ns::search" is the function "ns::search(int)". */
	if (colon && colon != name && colon[1] != ':')
		name = colon + 1;
	len = strlen(name);
	return strncmp(function, name, len) == 0 &&
	       (!function[len] || function[len] == '(');
}

/* "make.<locals>.search" and "make.search" are the same. */
static bool same_name(const char *function, const char *name)
{
	const size_t locals = strlen(LOCALS);

	for (;;) {
		if (strncmp(function, LOCALS, locals) == 0)
			function += locals;
		else if (strncmp(name, LOCALS, locals) == 0)
			name += locals;
		else if (*function != *name)
			return false;
		else if (!*name)
			return true;
		else
			function++, name++;
	}
}

/* Does "/srv/app/search.py" end like the module "app.search"? */
static bool is_module(const char *file, const char *module, size_t len)
{
	static const char *const ends[] = { "/__init__.py", ".pyc", ".py" };
	size_t n = file ? strlen(file) : 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t end = strlen(ends[i]);

		if (n > end && strcmp(file + n - end, ends[i]) == 0) {
			n -= end;
			break;
		}
	}
	if (n < len || (n > len && file[n - len - 1] != '/'))
		return false;
	for (size_t i = 0; i < len; i++)
		if (file[n - len + i] != (module[i] == '.' ? '/' : module[i]))
			return false;
	return true;
}

/* "app.Index.search" is "search" of any "app.Index", or "Index.search" of
 * "app", or that name of whatever module. */
static bool is_python(const struct model_frame *frame, const char *name)
{
	if (same_name(frame->function, name))
		return true;
	for (const char *dot = strchr(name, '.'); dot;
	     dot = strchr(dot + 1, '.'))
		if (same_name(frame->function, dot + 1) &&
		    is_module(frame->file, name, (size_t)(dot - name)))
			return true;
	return false;
}

bool build_is_handler(const struct model_frame *frame, const char *name)
{
	if (strncmp(name, PYTHON, strlen(PYTHON)) == 0)
		return frame->kind == FRAME_PYTHON &&
		       is_python(frame, name + strlen(PYTHON));
	return frame->kind == FRAME_NATIVE && is_native(frame->function, name);
}

/* By node: is it the handler, or below it? */
static bool *find_below(const struct model *m, const char *name)
{
	bool *is = calloc(m->frame_count + 1, sizeof(*is));
	bool *below = calloc(m->node_count + 1, sizeof(*below));

	if (is && below) {
		for (uint32_t i = 0; i < m->frame_count; i++)
			is[i] = build_is_handler(&m->frames[i], name);
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

/* Of what is allocated below it, the part of each endpoint. */
static void charge_route(const struct model *m, const bool *below,
			 struct model_handler *h)
{
	for (uint32_t e = 0; e < m->endpoint_count; e++) {
		const struct model_endpoint *ep = &m->endpoints[e];
		size_t method = strlen(ep->method);
		double bytes = 0;

		for (uint32_t i = 0; i < m->site_count; i++) {
			const struct model_site *s = &m->sites[i];

			for (uint32_t k = 0;
			     below[s->node] && k < s->charge_count; k++) {
				const char *route = s->charges[k].route;

				if (strncmp(route, ep->method, method) == 0 &&
				    route[method] == ' ' &&
				    !strcmp(route + method + 1, ep->route))
					bytes += s->charges[k].allocated;
			}
		}
		if (!ep->count || bytes <= NEARLY_ALL * h->alloc_bytes)
			continue;
		h->route = ep->route;
		h->method = ep->method;
		h->alloc_bytes_per_request = bytes / (double)ep->count;
	}
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

static int fill(struct model *m, const char *name, const struct looked *l)
{
	struct model_handler *h = &m->handlers[m->handler_count];
	bool *below = find_below(m, name);
	struct sums sums;

	if (!below)
		return -ENOMEM;
	*h = (struct model_handler) { .name = model_string(m, name),
				      .alloc_bytes_per_request = NAN };
	sums = sum_up(m, below, h);
	set_times(h, m, &sums, l);
	if (l->heap) {
		h->alloc_margin = 1.96 * sqrt(fmax(sums.alloc_variance, 0));
		h->live_margin = 1.96 * sqrt(fmax(sums.live_variance, 0));
		charge_route(m, below, h);
	} else {
		h->alloc_bytes = h->alloc_objects = h->alloc_margin = NAN;
		h->live_bytes = h->live_margin = NAN;
	}
	free(below);
	m->handler_count++;
	return h->name ? 0 : -ENOMEM;
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
			rc = fill(m, meta->handlers[i], &looked);
	return rc;
}
