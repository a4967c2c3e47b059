#include "profiler/analysis/phases.h"

#include <math.h>
#include <stdbool.h>

#include "profiler/model/model.h"

/* Two marks this close are one moment: there is no phase between them. */
#define MOMENT 1e-6

static bool opens_at_start(const struct model *m)
{
	return m->mark_count && m->marks[0].t <= MOMENT;
}

uint32_t phases_count(const struct model *m)
{
	if (!m->mark_count)
		return 0;
	return m->mark_count + !opens_at_start(m);
}

static bool is_main(const struct model *m, int32_t pid)
{
	return m->main_process == MODEL_NONE ||
	       m->main_process >= m->process_count ||
	       m->processes[m->main_process].pid == pid;
}

static double known(uint64_t value)
{
	return value == UINT64_MAX ? NAN : (double)value;
}

/* The latest reading by @t; before the first, that one. */
static struct phase_level level_at(const struct model *m, double t)
{
	const struct model_ledger_point *found = NULL;

	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];

		if (!is_main(m, p->pid))
			continue;
		if (p->t > t && found)
			break;
		found = p;
	}
	if (!found)
		return (struct phase_level) { NAN, NAN, NAN, NAN, NAN };
	return (struct phase_level) {
		.rss = known(found->rss),
		.live = known(found->live),
		.retained = known(found->retained),
		.threads = known(found->threads),
		.fds = known(found->fds),
	};
}

/*
 * Which part of window @w lies within the phase, 0 to 1.  The last window
 * reaches beyond the recording's end, and what it has is the last phase's.
 */
static double overlap(const struct model *m, uint32_t w, const struct phase *p)
{
	double from = m->windows[w].t, to = from + m->window_seconds;
	double width = to - from;

	from = from > p->from ? from : p->from;
	if (p->to < m->duration)
		to = to < p->to ? to : p->to;
	return width > 0 && to > from ? (to - from) / width : 0;
}

static void add_window(const struct model *m, uint32_t w, struct phase *p)
{
	const struct model_window *window = &m->windows[w];
	double part = overlap(m, w, p);

	p->requests += part * window->requests;
	p->errors += part * window->errors;
	p->allocated_bytes += part * window->allocated_bytes;
	p->released_bytes += part * window->released_bytes;
}

/* The mean of what was timed, and the longest of windows that it is in. */
static void add_times(const struct model *m, const struct model_endpoint *e,
		      struct phase *p, double *timed, double *sum_ms)
{
	for (uint32_t w = 0; w < m->window_count; w++) {
		double part = overlap(m, w, p);
		double mean = e->window_mean_ms[w], max = e->window_max_ms[w];

		if (part <= 0 || isnan(mean))
			continue;
		*timed += part * e->windows[w];
		*sum_ms += part * e->windows[w] * mean;
		if (!(p->max_ms >= max))
			p->max_ms = max;
	}
}

static void fill(const struct model *m, struct phase *p)
{
	double timed = 0, sum_ms = 0;

	for (uint32_t w = 0; w < m->window_count; w++)
		add_window(m, w, p);
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		const struct model_endpoint *e = &m->endpoints[i];

		if (e->windows && e->window_mean_ms && e->window_max_ms)
			add_times(m, e, p, &timed, &sum_ms);
	}
	p->mean_ms = timed > 0 ? sum_ms / timed : NAN;
	if (p->to > p->from)
		p->requests_per_second = p->requests / (p->to - p->from);
	p->begin = level_at(m, p->from);
	p->end = level_at(m, p->to);
}

void phases_get(const struct model *m, uint32_t n, struct phase *phase)
{
	bool nameless = !opens_at_start(m) && n == 0;
	uint32_t mark = n - !opens_at_start(m); /* wraps where nameless */
	uint32_t next = mark + 1;

	*phase = (struct phase) { .max_ms = NAN };
	if (!nameless) {
		phase->label = m->marks[mark].label;
		phase->from = m->marks[mark].t > 0 ? m->marks[mark].t : 0;
	}
	phase->to = next < m->mark_count ? m->marks[next].t : m->duration;
	if (phase->to < phase->from)
		phase->to = phase->from;
	fill(m, phase);
}
