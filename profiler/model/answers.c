/*
 * answers: the requests of the functions that were asked for.
 *
 * Which endpoint a function of Python answers, the framework's routes say.
 * Of others the stacks do: what is allocated below them is charged to routes.
 * Their requests' times come from the histograms of those, merged.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/latency/histo.h"
#include "profiler/model/build.h"
#include "profiler/model/named.h"
#include "profiler/trace/handlers.h"

#define NEARLY_ALL 0.9
#define HARDLY_ANY 0.01 /* of its bytes: charged where one request ends */

/* "POST /chat" is @ep's? */
static bool is_route_of(const char *text, const struct model_endpoint *ep)
{
	size_t method = strlen(ep->method);

	return strncmp(text, ep->method, method) == 0 && text[method] == ' ' &&
	       strcmp(text + method + 1, ep->route) == 0;
}

/* Of what is allocated @below a function, the part of each endpoint. */
static double *charged(const struct model *m, const bool *below)
{
	double *bytes = calloc(m->endpoint_count + 1, sizeof(*bytes));

	for (uint32_t i = 0; bytes && i < m->site_count; i++) {
		const struct model_site *s = &m->sites[i];

		for (uint32_t k = 0; below[s->node] && k < s->charge_count; k++)
			for (uint32_t e = 0; e < m->endpoint_count; e++)
				if (is_route_of(s->charges[k].route,
						&m->endpoints[e]))
					bytes[e] += s->charges[k].allocated;
	}
	return bytes;
}

/* The endpoint that nearly all of it is made for. */
static void charge_route(const struct model *m, const double *bytes,
			 struct model_handler *h)
{
	for (uint32_t e = 0; e < m->endpoint_count; e++) {
		const struct model_endpoint *ep = &m->endpoints[e];

		if (!ep->count || !(bytes[e] > NEARLY_ALL * h->alloc_bytes))
			continue;
		h->route = ep->route;
		h->method = ep->method;
	}
}

/* By the framework's routes.  -ENOMEM, or 0. */
static int find_by_route(const struct model *m, const struct trace_view *v,
			 struct model_handler *h, bool *is)
{
	struct buf request = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; i < v->handler_count; i++)
		if (named_function(v->handlers[i].function, v->handlers[i].file,
				   h->name))
			h->answers = MODEL_ANSWERS_ROUTE;
	for (uint32_t e = 0; h->answers && e < m->endpoint_count; e++) {
		const struct trace_handler *best;

		request.len = 0;
		buf_printf(&request, "%s %s", m->endpoints[e].method,
			   m->endpoints[e].route);
		if (buf_status(&request) < 0) {
			rc = -ENOMEM;
			break;
		}
		best = handlers_find(request.bytes, v->handlers,
				     v->handler_count);
		is[e] = best &&
			named_function(best->function, best->file, h->name);
	}
	buf_free(&request);
	return rc;
}

static void find_by_stack(const struct model *m, const double *bytes,
			  struct model_handler *h, bool *is)
{
	for (uint32_t e = 0; e < m->endpoint_count; e++) {
		is[e] = bytes[e] > HARDLY_ANY * h->alloc_bytes;
		if (is[e])
			h->answers = MODEL_ANSWERS_STACK;
	}
}

/* Does the route @r of @im belong to one of the endpoints? */
static bool is_one(const struct model *m, const struct trace_image *im,
		   const struct fold_route *r, const bool *is)
{
	const char *text = build_route(im, r->route);

	for (uint32_t e = 0; e < m->endpoint_count; e++)
		if (is[e] && is_route_of(text, &m->endpoints[e]))
			return true;
	return false;
}

static int merge(const struct model *m, const struct trace_view *v,
		 const bool *is, struct histo *into)
{
	int rc = 0;

	for (size_t i = 0; i < v->image_count; i++) {
		const struct trace_image *im = &v->images[i];

		if (build_timed_by_kernel(v, im))
			continue;
		for (size_t k = 0; k < im->result.route_count && rc == 0; k++) {
			const struct fold_route *r = &im->result.routes[k];

			if (r->took && is_one(m, im, r, is))
				rc = histo_merge(into, r->took);
		}
	}
	return rc;
}

static double quantile_ms(const struct histo *h, double q)
{
	return histo_count(h) ? (double)histo_quantile(h, q) / 1e6 : NAN;
}

static int fill_times(const struct model *m, const struct trace_view *v,
		      const bool *is, struct model_handler *h)
{
	struct histo *took = histo_new();
	int rc = took ? merge(m, v, is, took) : -ENOMEM;

	if (rc == 0) {
		h->p50_ms = quantile_ms(took, 0.50);
		h->p95_ms = quantile_ms(took, 0.95);
		h->p99_ms = quantile_ms(took, 0.99);
		h->max_ms = quantile_ms(took, 1);
	}
	histo_free(took);
	return rc;
}

/* How many they are, and what one of them has of what is charged. */
static void count_requests(const struct model *m, const bool *is,
			   const double *bytes, struct model_handler *h)
{
	double sum = 0;

	for (uint32_t e = 0; e < m->endpoint_count; e++) {
		if (!is[e])
			continue;
		h->requests += m->endpoints[e].count;
		h->endpoint_count++;
		sum += bytes[e];
	}
	if (h->requests && sum > 0)
		h->alloc_bytes_per_request = sum / (double)h->requests;
}

int build_answers(const struct model *m, const struct trace_view *v,
		  const bool *below, struct model_handler *h)
{
	bool *is = calloc(m->endpoint_count + 1, sizeof(*is));
	double *bytes = charged(m, below);
	int rc = is && bytes ? 0 : -ENOMEM;

	if (rc == 0 && h->alloc_bytes > 0)
		charge_route(m, bytes, h);
	if (rc == 0 && h->python)
		rc = find_by_route(m, v, h, is);
	if (rc == 0 && !h->answers && h->alloc_bytes > 0)
		find_by_stack(m, bytes, h, is);
	if (rc == 0)
		rc = fill_times(m, v, is, h);
	if (rc == 0)
		count_requests(m, is, bytes, h);
	free(bytes);
	free(is);
	return rc;
}
