/*
 * bottlenecks: see bottlenecks.h.
 */
#include "reports/bottlenecks.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "profiler/model/model.h"
#include "reports/ledger.h"
#include "reports/names.h"
#include "reports/report.h"
#include "reports/sites.h"

#define QUEUE_SHARE	0.2 /* of the p95 of an endpoint */
#define QUEUE_REQUESTS	20  /* fewer have no p95 to speak of */
#define TAIL_RATIO	5.0 /* p99 over p50 */
#define TAIL_REQUESTS	100 /* fewer have no p99 to speak of */
#define TEMPORARY_SHARE 0.3 /* of what is allocated */
#define RETAINED_SHARE	0.3 /* of RSS */
#define HOT_SHARE	0.2 /* of the CPU time that was sampled */
#define BUSY_CORES	0.8 /* of one, on average: Python has no more */

/* The endpoint for which @figure is most; NULL when it is for none. */
static const struct model_endpoint *most(
	const struct model *m, double (*figure)(const struct model_endpoint *))
{
	const struct model_endpoint *worst = NULL;
	double high = 0;

	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		double value = figure(&m->endpoints[i]);

		if (value > high) {
			high = value;
			worst = &m->endpoints[i];
		}
	}
	return worst;
}

static double failed(const struct model_endpoint *p)
{
	return (double)p->errors;
}

static bool sees_errors(const struct model *m, struct buf *out)
{
	const struct model_endpoint *p = most(m, failed);

	if (!p)
		return false;
	buf_printf(out,
		   "%llu of %llu requests to %s %s failed: answered 5xx or "
		   "cut off.",
		   (unsigned long long)p->errors, (unsigned long long)p->count,
		   p->method, p->route);
	return true;
}

/* Where most is to be had: of those that wait, who waits longest in all. */
static double queued(const struct model_endpoint *p)
{
	return p->count >= QUEUE_REQUESTS && p->p95_ms > 0 &&
			       p->queue_p95_ms >= QUEUE_SHARE * p->p95_ms
		       ? p->queue_p95_ms * (double)p->count
		       : 0;
}

static bool sees_queue(const struct model *m, struct buf *out)
{
	const struct model_endpoint *p = most(m, queued);
	char queue[UNITS_TEXT_MAX], whole[UNITS_TEXT_MAX];

	if (!p)
		return false;
	buf_printf(out,
		   "Requests to %s %s wait for their handler: %s at p95, where "
		   "the whole request takes %s.",
		   p->method, p->route,
		   units_format_duration(queue, p->queue_p95_ms * 1e6),
		   units_format_duration(whole, p->p95_ms * 1e6));
	return true;
}

static double tail(const struct model_endpoint *p)
{
	return p->count >= TAIL_REQUESTS && p->p50_ms > 0 &&
			       p->p99_ms >= TAIL_RATIO * p->p50_ms
		       ? p->p99_ms * (double)p->count
		       : 0;
}

static bool sees_tail(const struct model *m, struct buf *out)
{
	const struct model_endpoint *p = most(m, tail);
	char slow[UNITS_TEXT_MAX], usual[UNITS_TEXT_MAX];

	if (!p)
		return false;
	buf_printf(out,
		   "The slowest of %s %s are far from the usual: p99 is %s, "
		   "%.1f times the p50 of %s.",
		   p->method, p->route,
		   units_format_duration(slow, p->p99_ms * 1e6),
		   p->p99_ms / p->p50_ms,
		   units_format_duration(usual, p->p50_ms * 1e6));
	return true;
}

static bool sees_temporary(const struct model *m, struct buf *out)
{
	double all = m->totals.allocated.bytes;
	double share = all > 0 ? m->totals.temporary.bytes / all : 0;
	char bytes[UNITS_TEXT_MAX];

	if (share < TEMPORARY_SHARE)
		return false;
	buf_printf(out,
		   "%.0f %% of what is allocated, %s, is given back at once.",
		   share * 100,
		   units_format_bytes(bytes, m->totals.temporary.bytes));
	return true;
}

static bool sees_retained(const struct model *m, struct buf *out)
{
	char bytes[UNITS_TEXT_MAX];
	struct ledger_split s;
	double share;

	if (!ledger_split(m, &s) || s.retained == LEDGER_UNREAD || s.rss == 0)
		return false;
	share = (double)s.retained / (double)s.rss;
	if (share < RETAINED_SHARE)
		return false;
	buf_printf(out,
		   "%.0f %% of RSS, %s, is free memory that the allocator "
		   "keeps, at the last reading.",
		   share * 100, units_format_bytes(bytes, (double)s.retained));
	return true;
}

static bool sees_cpu(const struct model *m, struct buf *out)
{
	const struct model_ledger_point *p =
		ledger_last(m, ledger_column("cpu_user_ns"));
	double cores;

	if (!p || p->t <= 0 || p->cpu_system_ns == LEDGER_UNREAD)
		return false;
	cores = (double)(p->cpu_user_ns + p->cpu_system_ns) / 1e9 / p->t;
	if (cores < BUSY_CORES)
		return false;
	buf_printf(out, "The server keeps %.2f cores busy on average.", cores);
	return true;
}

/* A function of the server's, and of it the line that takes most. */
static bool sees_hot(const struct model *m, struct buf *out)
{
	const struct report_options opt = { .kind = MODEL_CPU };
	struct site_group *groups;
	const struct model_frame *f;
	double total = 0;
	size_t count;

	if (sites_grouped(m, &opt, &groups, &count) < 0) {
		out->failed = true;
		return false;
	}
	for (size_t i = 0; i < count; i++)
		total += groups[i].weight;
	f = count > 0 && groups[0].weight >= HOT_SHARE * total &&
			    groups[0].frame != MODEL_NONE
		    ? &m->frames[groups[0].frame]
		    : NULL;
	if (f) {
		buf_printf(out, "%.0f %% of the CPU time is spent in ",
			   100 * groups[0].weight / total);
		name_put_function(out, f);
		buf_puts(out, ", ");
		name_put_place(out, f, f->line, false);
		buf_putc(out, '.');
	}
	free(groups);
	return f != NULL;
}

const struct bottleneck bottlenecks[] = {
	{ sees_errors, "See why requests fail: their times and their memory "
		       "are in every other figure." },
	{ sees_queue, "Give the server more workers, or keep what blocks out "
		      "of its event loop." },
	{ sees_tail, "Find what the slowest requests wait for." },
	{ sees_cpu, "Find what it computes: more workers help only where "
		    "there are cores left." },
	{ sees_hot, "Make the function that takes most CPU time cheaper; "
		    "`strandline report -k cpu -f svg` shows who calls it." },
	{ sees_temporary, "Reuse buffers where memory is given back at once; "
			  "`strandline report -k temporary` says where." },
	{ sees_retained, "Try the allocator's trim settings, or another "
			 "allocator: no code holds this memory." },
	{ NULL, NULL },
};
