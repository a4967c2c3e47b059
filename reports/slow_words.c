/*
 * slow_words: see slow_words.h.
 */
#include "reports/slow_words.h"

#include <math.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/drift.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/formats.h"
#include "reports/names.h"
#include "reports/report.h"
#include "reports/sites.h"

#define FRAMES 3

double slowness_limit(const struct report_options *opt)
{
	return opt->slow_ms > 0 ? opt->slow_ms : SLOWNESS_MS;
}

void slowness_put_limit(struct buf *out, const struct report_options *opt)
{
	double ms = slowness_limit(opt);

	if (ms < 1000)
		buf_printf(out, "%g ms", ms);
	else
		buf_printf(out, "%g s", ms / 1000);
	if (opt->slow_limits && opt->slow_limits->list.count)
		buf_puts(out, " or their own limit");
}

double slowness_limit_of(const struct report_options *opt,
			 const struct model_endpoint *p)
{
	double own = slow_limits_of(opt->slow_limits, p);

	return own > 0 ? own : slowness_limit(opt);
}

bool slowness_is(const struct report_options *opt,
		 const struct model_endpoint *p)
{
	return p->p95_ms > slowness_limit_of(opt, p);
}

const char *slowness_state(bool waited, enum model_blocked why)
{
	static const char *const names[MODEL_BLOCKED_KINDS] = {
		[MODEL_BLOCKED_OTHER] = "waiting",
		[MODEL_BLOCKED_CPU] = "waiting for a CPU",
		[MODEL_BLOCKED_FUTEX] = "in a futex",
		[MODEL_BLOCKED_EPOLL] = "in epoll",
		[MODEL_BLOCKED_DISK] = "at the disk",
		[MODEL_BLOCKED_SOCKET] = "at a socket",
		[MODEL_BLOCKED_SLEEP] = "asleep",
		[MODEL_BLOCKED_FAULT] = "waiting for a page",
		[MODEL_BLOCKED_CHILD] = "waiting for a process",
		[MODEL_BLOCKED_FILE] = "at a file or pipe",
	};

	return waited ? names[why] : "on a CPU";
}

/* State @n: the waits, then to be on a CPU. */
static double time_at(const struct slow_time *t, int n)
{
	return n < MODEL_BLOCKED_KINDS ? t->blocked_ms[n] : t->on_cpu_ms;
}

void slowness_put_time(struct buf *out, const struct slow_time *t,
		       double whole_ms)
{
	bool told[MODEL_BLOCKED_KINDS + 1] = { false }, any = false;
	char text[UNITS_TEXT_MAX];

	for (;;) {
		double most = whole_ms / 100;
		int next = -1;

		for (int n = 0; n <= MODEL_BLOCKED_KINDS; n++) {
			if (told[n] || !(time_at(t, n) > most))
				continue;
			most = time_at(t, n);
			next = n;
		}
		if (next < 0)
			return;
		told[next] = true;
		buf_printf(out, "%s%s %s", any ? ", " : "",
			   units_format_duration(text, most * 1e6),
			   slowness_state(next < MODEL_BLOCKED_KINDS,
					  (enum model_blocked)next));
		any = true;
	}
}

/* How a program waits, and how it was begun. */
static bool is_dull(const struct model_frame *f)
{
	return f->kind == FRAME_KERNEL || f->kind == FRAME_MARKER ||
	       f->module_kind == MODULE_LIBC ||
	       f->module_kind == MODULE_RUNTIME || name_is_address(f);
}

static unsigned put_frames(struct buf *out, const struct model *m,
			   const struct report_options *opt, uint32_t node,
			   bool all)
{
	unsigned count = 0;

	for (; node != MODEL_NONE && count < FRAMES;
	     node = m->nodes[node].parent) {
		const struct model_frame *f = &m->frames[m->nodes[node].frame];

		if (report_hides(opt, f) || (!all && is_dull(f)))
			continue;
		if (count++)
			buf_puts(out, " < ");
		name_put_function(out, f);
		if (count == 1 && f->file && f->line)
			buf_printf(out, " (%s:%u)", name_source(f->file),
				   f->line);
	}
	return count;
}

void slowness_put_stack(struct buf *out, const struct model *m,
			const struct report_options *opt, uint32_t node)
{
	if (!put_frames(out, m, opt, node, false))
		put_frames(out, m, opt, node, true);
}

static void put_phases(struct buf *out, const struct slowness *s)
{
	char text[3][UNITS_TEXT_MAX];

	buf_printf(out,
		   "; of the slowest %u on average unread %s, to the first "
		   "byte %s, writing %s",
		   s->requests,
		   units_format_duration(text[0], s->queue_ms * 1e6),
		   units_format_duration(text[1], s->handling_ms * 1e6),
		   units_format_duration(text[2], s->writing_ms * 1e6));
	if (!s->seen)
		return;
	buf_puts(out, "; its thread: ");
	slowness_put_time(out, &s->own, s->took_ms);
	if (!s->handed_on)
		return;
	buf_puts(out, "; other threads meanwhile: ");
	slowness_put_time(out, &s->others, s->took_ms);
}

void slowness_put_sentence(struct buf *out, const struct model *m,
			   const struct report_options *opt,
			   const struct model_endpoint *p)
{
	const struct model_slow_part *parts[2];
	char text[UNITS_TEXT_MAX];
	struct slowness s;
	size_t count;

	slowness_of(&s, m, p);
	buf_printf(out, "%s %s: p95 is %s", p->method, p->route,
		   units_format_duration(text, p->p95_ms * 1e6));
	if (!s.requests)
		return;
	put_phases(out, &s);
	count = slowness_stacks(m, p, &s, parts, 1);
	if (!count)
		return;
	buf_printf(out, "; most %s in ",
		   slowness_state(parts[count - 1]->waited,
				  parts[count - 1]->why));
	slowness_put_stack(out, m, opt, parts[count - 1]->node);
}

bool slowness_put_drift(struct buf *out, const struct model *m,
			const struct model_endpoint *p)
{
	char text[3][UNITS_TEXT_MAX];
	struct drift d;

	drift_of(&d, m, p);
	if (d.class != DRIFT_RISES && d.class != DRIFT_FALLS)
		return false;
	buf_printf(out, "%s %s: p95 %s by %s a minute, from %s to %s (p %.2g)",
		   p->method, p->route, drift_name(d.class),
		   units_format_duration(text[0], fabs(d.ms_per_minute) * 1e6),
		   units_format_duration(text[1], d.from_ms * 1e6),
		   units_format_duration(text[2], d.to_ms * 1e6), d.p_value);
	return true;
}
