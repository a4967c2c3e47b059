/*
 * ledger: the RSS ledger over time, and its trends for the server.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"

#define UNSEEN	  UINT64_MAX
#define SLOPE_MAX 600 /* points a slope is fitted through: n^2 pairs */

/*
 * Live bytes of @pid at @ns: its latest image's window that covers it.  Probes
 * may have looked at no blocks.
 */
static uint64_t live_at(const struct trace_view *v, int32_t pid, uint64_t ns)
{
	for (size_t i = v->image_count; i-- > 0;) {
		const struct fold_result *r = &v->images[i].result;
		uint64_t index;
		double live;

		if (v->images[i].header.pid != pid || ns < r->first_ns ||
		    !r->window_count ||
		    (v->images[i].probed && r->peak.bytes <= 0))
			continue;
		index = (ns - r->first_ns) / r->window_ns;
		if (index >= r->window_count)
			index = r->window_count - 1;
		live = r->windows[index].live.bytes;
		return live > 0 ? (uint64_t)live : 0;
	}
	return UNSEEN;
}

static uint64_t retained(const struct model_ledger_point *p)
{
	uint64_t held, used;

	if (p->heap == UNSEEN || p->anonymous == UNSEEN || p->live == UNSEEN)
		return UNSEEN;
	held = p->heap + p->anonymous;
	used = p->live + (p->self == UNSEEN ? 0 : p->self);
	return held > used ? held - used : 0;
}

static void fill_point(struct model_ledger_point *p, const struct trace_view *v,
		       const struct wire_ledger *w)
{
	*p = (struct model_ledger_point) {
		.t = build_seconds(v, w->at_ns),
		.pid = w->pid,
		.rss = w->rss,
		.vms = w->vms,
		.heap = w->heap,
		.anonymous = w->anonymous,
		.file = w->file,
		.stacks = w->stacks,
		.slabs = w->slabs,
		.swap = w->swap,
		.pss = w->pss,
		.live = live_at(v, w->pid, w->at_ns),
		.self = w->self,
		.threads = w->threads,
		.fds = w->fds,
		.minor_faults = w->minor_faults,
		.major_faults = w->major_faults,
		.context_switches = w->context_switches,
		.cpu_user_ns = w->cpu_user_ns,
		.cpu_system_ns = w->cpu_system_ns,
		.allocator_allocated = w->allocator_allocated,
		.allocator_active = w->allocator_active,
		.allocator_resident = w->allocator_resident,
		.allocator_retained = w->allocator_retained,
		.allocator_metadata = w->allocator_metadata,
		.python_arenas = w->python_arenas,
		.python_used = w->python_used,
		.max_fds = w->max_fds,
		.cgroup_usage = w->cgroup_usage,
		.cgroup_limit = w->cgroup_limit,
		.profiler_rss = w->profiler_rss,
		.profiler_cpu_ns = w->profiler_cpu_ns,
	};
	p->retained = retained(p);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), by_value);
	return count % 2 ? values[count / 2]
			 : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* Theil-Sen: the median slope of all pairs of points. */
static double slope(const double *t, const double *y, size_t count)
{
	size_t step = count > SLOPE_MAX ? count / SLOPE_MAX + 1 : 1, n = 0;
	double *slopes, answer;

	slopes = malloc((count / step + 1) * (count / step + 1) / 2 *
			sizeof(*slopes));
	if (!slopes || count < 2) {
		free(slopes);
		return 0;
	}
	for (size_t i = 0; i < count; i += step)
		for (size_t j = i + step; j < count; j += step)
			if (t[j] > t[i])
				slopes[n++] = (y[j] - y[i]) / (t[j] - t[i]);
	answer = median(slopes, n);
	free(slopes);
	return answer;
}

/* Median absolute deviation of the first differences. */
static double volatility(const double *y, size_t count)
{
	double *d = malloc((count + 1) * sizeof(*d)), middle, answer;
	size_t n = count > 1 ? count - 1 : 0;

	if (!d || !n) {
		free(d);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		d[i] = y[i + 1] - y[i];
	middle = median(d, n);
	for (size_t i = 0; i < n; i++)
		d[i] = fabs(d[i] - middle);
	answer = median(d, n);
	free(d);
	return answer;
}

static void fit(struct model_trend *out, const double *t, const double *y,
		size_t count)
{
	size_t first = count / 10 + 1;
	double *head;

	if (!count)
		return;
	out->final = y[count - 1];
	out->peak = y[0];
	out->peak_t = t[0];
	for (size_t i = 0; i < count; i++) {
		if (y[i] <= out->peak)
			continue;
		out->peak = y[i];
		out->peak_t = t[i];
	}
	out->growth_per_second = slope(t, y, count);
	out->volatility = volatility(y, count);
	head = malloc(first * sizeof(*head));
	if (!head)
		return;
	memcpy(head, y, first * sizeof(*head));
	out->baseline = median(head, first);
	free(head);
}

static uint64_t column_of(const struct model_ledger_point *p, int column)
{
	switch (column) {
	case 0:
		return p->rss;
	case 1:
		return p->live;
	case 2:
		return p->threads;
	default:
		return p->fds;
	}
}

static int fit_all(struct model *m, int32_t pid)
{
	struct model_trend *trends[] = { &m->rss_trend, &m->live_trend,
					 &m->thread_trend, &m->fd_trend };
	double *t = malloc((m->ledger_count + 1) * sizeof(*t));
	double *y = malloc((m->ledger_count + 1) * sizeof(*y));

	if (!t || !y) {
		free(t);
		free(y);
		return -ENOMEM;
	}
	for (int column = 0; column < 4; column++) {
		size_t n = 0;

		for (uint32_t i = 0; i < m->ledger_count; i++) {
			const struct model_ledger_point *p = &m->ledger[i];
			uint64_t value = column_of(p, column);

			if (p->pid != pid || value == UNSEEN)
				continue;
			t[n] = p->t;
			y[n++] = (double)value;
		}
		fit(trends[column], t, y, n);
	}
	free(t);
	free(y);
	return 0;
}

/* After build_processes(), which says who the server is. */
int build_ledger(struct model *m, const struct trace_view *v)
{
	m->ledger = calloc(v->ledger_count + 1, sizeof(*m->ledger));
	if (!m->ledger)
		return -ENOMEM;
	for (size_t i = 0; i < v->ledger_count; i++)
		fill_point(&m->ledger[i], v, &v->ledger[i]);
	m->ledger_count = (uint32_t)v->ledger_count;
	if (m->main_process == MODEL_NONE)
		return 0;
	return fit_all(m, m->processes[m->main_process].pid);
}
