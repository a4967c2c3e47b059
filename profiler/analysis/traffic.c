/*
 * traffic: see traffic.h.
 */
#include "profiler/analysis/traffic.h"

#include <stddef.h>
#include <stdint.h>

#include "profiler/model/model.h"

static double window_end(const struct model *m, uint32_t i)
{
	return i + 1 < m->window_count ? m->windows[i + 1].t : m->duration;
}

double traffic_until(const struct model *m, double t)
{
	double sum = 0;

	for (uint32_t i = 0; i < m->window_count; i++) {
		const struct model_window *w = &m->windows[i];
		double end = window_end(m, i);

		if (t <= w->t)
			break;
		sum += t < end ? w->requests * (t - w->t) / (end - w->t)
			       : w->requests;
	}
	return sum;
}

bool traffic_span(const struct model *m, const struct model_endpoint *e,
		  struct traffic_span *span)
{
	const double *counts = e ? e->windows : NULL;
	bool any = false;

	for (uint32_t i = 0; i < m->window_count; i++) {
		if (!((counts ? counts[i] : m->windows[i].requests) > 0))
			continue;
		if (!any)
			span->first = m->windows[i].t;
		span->last = window_end(m, i);
		any = true;
	}
	return any && span->last > span->first;
}

/*
 * A sum of samples that stand for @mean_bytes each has that times itself for
 * its variance; an estimate of one request is that of all over their count.
 */
double traffic_variance(const struct model *m, const struct model_endpoint *e)
{
	return e->count ? e->alloc_bytes_per_request * m->mean_bytes /
				  (double)e->count
			: 0;
}

double traffic_at_once(const struct model *m, const struct model_endpoint *e)
{
	double most = 0;

	if (!e->windows || !e->window_mean_ms)
		return 0;
	for (uint32_t i = 0; i < m->window_count; i++) {
		double width = window_end(m, i) - m->windows[i].t;
		double at_once =
			e->windows[i] * e->window_mean_ms[i] / 1e3 / width;

		if (width > 0 && at_once > most) /* not where it is NAN */
			most = at_once;
	}
	return most;
}
