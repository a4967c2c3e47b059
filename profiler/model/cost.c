/*
 * cost: what the profiler took, in the server, beside it and on disk, and
 * what of the recording could not be read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/model/build.h"
#include "profiler/trace/quota.h"

struct change { /* of what all processes at a time hold for us */
	double at, by;
};

static int by_time(const void *a, const void *b)
{
	const struct change *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return (x->by > y->by) - (x->by < y->by); /* ends before beginnings */
}

/* The most that was held at once: processes come and go. */
static int self_peak(const struct model *m, const struct trace_view *v,
		     double *peak)
{
	struct change *changes = calloc(2 * v->image_count, sizeof(*changes));
	double now = 0;

	if (!changes)
		return -ENOMEM;
	for (size_t i = 0; i < v->image_count; i++) {
		const struct slab_stats *s = &v->images[i].header.stats;
		const struct model_process *p = &m->processes[i];
		double held = (double)s->self_bytes + (double)s->slab_bytes;
		double ended = p->ended < 0 ? m->duration : p->ended;

		changes[2 * i] = (struct change) { p->began, held };
		changes[2 * i + 1] = (struct change) { ended, -held };
		if (ended <= p->began) /* in one instant: it was there */
			changes[2 * i + 1].at = p->began + 1e-9;
	}
	qsort(changes, 2 * v->image_count, sizeof(*changes), by_time);
	for (size_t i = 0; i < 2 * v->image_count; i++) {
		now += changes[i].by;
		if (now > *peak)
			*peak = now;
	}
	free(changes);
	return 0;
}

static double seconds_spent(const struct slab_file *h)
{
	double ns = h->later_ticks > h->start_ticks
			    ? (double)(h->later_monotonic_ns -
				       h->start_monotonic_ns) /
				      (double)(h->later_ticks - h->start_ticks)
			    : 1;
	double sampled =
		h->stats.ticks_sampled ? (double)h->stats.ticks_sampled : 1;

	return (double)h->stats.ticks_spent * ns * sampled / 1e9;
}

/* Of the strandline process, from its own lines in the ledger. */
static void profiler_cost(struct model_cost *c, const struct trace_view *v,
			  double life)
{
	double first = -1, last = 0;

	for (size_t i = 0; i < v->ledger_count; i++) {
		const struct wire_ledger *l = &v->ledger[i];

		if (l->profiler_cpu_ns == WIRE_UNSEEN)
			continue;
		if (first < 0)
			first = (double)l->profiler_cpu_ns;
		last = (double)l->profiler_cpu_ns;
		if ((double)l->profiler_rss > c->profiler_rss_bytes)
			c->profiler_rss_bytes = (double)l->profiler_rss;
	}
	c->profiler_cpu_pct = first < 0 ? 0 : (last - first) / life / 1e7;
}

/* What the strandline process has measured itself. */
static void take_option(struct model_cost *c, const char *name, double value)
{
	if (!strcmp(name, "ns_syscall"))
		c->syscall_ns = value;
	else if (!strcmp(name, "pause_ns"))
		c->pause_ms = value / 1e6;
	else if (!strcmp(name, "still_ns"))
		c->still_ms = value / 1e6;
}

int build_cost(struct model *m, const struct trace_view *v)
{
	double spent = 0, life = m->duration > 0 ? m->duration : 1;
	uint64_t digests;

	for (size_t i = 0; i < v->image_count; i++) {
		const struct slab_file *h = &v->images[i].header;
		double startup_ms = (double)h->stats.startup_ns / 1e6;

		spent += seconds_spent(h);
		if (startup_ms > m->cost.startup_ms)
			m->cost.startup_ms = startup_ms;
	}
	m->cost.target_cpu_pct = spent / life * 100;
	profiler_cost(&m->cost, v, life);
	for (size_t i = 0; i < v->option_count; i++)
		take_option(&m->cost, v->options[i].name,
			    strtod(v->options[i].value, NULL));
	m->cost.recording_bytes = (double)quota_disk_bytes(v->path, &digests);
	return self_peak(m, v, &m->cost.self_bytes_peak);
}

/* First what the reader could not read, then what has no names. */
int build_problems(struct model *m, const struct trace_view *v)
{
	size_t count = v->problem_count, old = m->problem_count;
	const char **all;

	if (!count)
		return 0;
	all = realloc(m->problems, (count + old) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	m->problems = all;
	memmove(all + count, all, old * sizeof(*all));
	for (size_t i = 0; i < count; i++) {
		all[i] = model_string(m, v->problems[i]);
		if (!all[i])
			return -ENOMEM;
	}
	m->problem_count = (uint32_t)(count + old);
	return 0;
}
