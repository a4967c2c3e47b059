/*
 * budget_figures: see budget_figures.h.
 *
 * A figure that the recording does not bear is no figure: a p99 of twelve
 * requests, the growth of a server that served none.
 */
#include "profiler/analysis/budget_figures.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/analysis/traffic.h"
#include "profiler/analysis/trend.h"
#include "profiler/base/units.h"
#include "profiler/model/model.h"

/* After the last request, before what is kept counts as kept. */
#define IDLE_SECONDS 2.0

static const struct figure nothing = { NAN, NAN, NAN };

static struct measured exactly(double value)
{
	return (struct measured) { .value = { value, value, value } };
}

__attribute__((format(printf, 1, 2))) static struct measured unmeasured(
	const char *fmt, ...)
{
	struct measured m = { .value = nothing };
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(m.why, sizeof(m.why), fmt, ap) < 0)
		m.why[0] = '\0';
	va_end(ap);
	return m;
}

static int32_t main_pid(const struct model *m)
{
	return m->main_process < m->process_count
		       ? m->processes[m->main_process].pid
		       : 0;
}

static struct measured peak_of(const struct model_trend *trend)
{
	if (!(trend->peak > 0))
		return unmeasured("the recording has no readings of it");
	return exactly(trend->peak);
}

/* RSS of all processes together: times, requests so far and bytes. */
struct readings {
	double *t, *x, *y;
	size_t count;
};

/* What the processes but the main one were seen to hold, at @t. */
static double beside_main(const struct model *m, const double *last, double t)
{
	double sum = 0;

	for (uint32_t p = 0; p < m->process_count; p++) {
		double ended = m->processes[p].ended;

		if (p != m->main_process && (ended < 0 || ended > t))
			sum += last[p];
	}
	return sum;
}

static void keep_last(const struct model *m, double *last,
		      const struct model_ledger_point *p)
{
	for (uint32_t i = m->process_count; i-- > 0;)
		if (m->processes[i].pid == p->pid) {
			last[i] = (double)p->rss;
			return;
		}
}

/* A reading each time that the main process was read. */
static int read_rss(struct readings *r, const struct model *m)
{
	double *last = calloc((size_t)m->process_count + 1, sizeof(*last));

	*r = (struct readings) { 0 };
	r->t = calloc(3 * ((size_t)m->ledger_count + 1), sizeof(*r->t));
	if (!r->t || !last) {
		free(r->t);
		free(last);
		return -ENOMEM;
	}
	r->x = r->t + m->ledger_count;
	r->y = r->x + m->ledger_count;
	for (uint32_t i = 0; i < m->ledger_count; i++) {
		const struct model_ledger_point *p = &m->ledger[i];

		if (p->rss == UINT64_MAX)
			continue;
		if (p->pid != main_pid(m)) {
			keep_last(m, last, p);
			continue;
		}
		r->t[r->count] = p->t;
		r->x[r->count] = traffic_until(m, p->t);
		r->y[r->count++] = (double)p->rss + beside_main(m, last, p->t);
	}
	free(last);
	return 0;
}

static struct measured judge_growth(const struct trend *t)
{
	char more[UNITS_TEXT_MAX];

	if (t->class == TREND_UNDECIDED && t->more > 0)
		return unmeasured("about %s more requests would tell",
				  units_format_count(more,
						     (uint64_t)ceil(t->more)));
	if (t->class == TREND_UNDECIDED)
		return unmeasured("the recording is too short to tell");
	/* Of what fills up, only what still comes counts. */
	return (struct measured) { .value = t->class == TREND_FILLS
						    ? t->late
						    : t->slope };
}

static int growth(struct measured *out, const struct model *m)
{
	struct trend_series series;
	struct readings r;
	struct trend trend;
	int rc;

	*out = unmeasured("no requests were seen");
	if (m->requests == 0)
		return 0;
	rc = read_rss(&r, m);
	if (rc < 0)
		return rc;
	series = (struct trend_series) {
		.count = r.count, .x = r.x, .y = r.y, .t = r.t
	};
	rc = trend_of(&trend, &series);
	free(r.t);
	if (rc == -EINVAL)
		return 0;
	if (rc == 0)
		*out = judge_growth(&trend);
	return rc;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* RSS some time after the last request, over what it was before the first. */
static struct measured idle_of(const struct readings *r, double first,
			       double last, double end)
{
	double before = NAN;
	size_t from = 0;

	if (end - last < IDLE_SECONDS)
		return unmeasured("the recording ends %.1f s after its last "
				  "request; let it go on for %.0f s",
				  end - last, IDLE_SECONDS);
	for (size_t i = 0; i < r->count; i++)
		if (r->t[i] <= first)
			before = r->y[i];
	while (from < r->count && r->t[from] < last + IDLE_SECONDS / 2)
		from++;
	if (isnan(before))
		return unmeasured("no reading was taken before the first "
				  "request");
	if (from == r->count)
		return unmeasured("no reading was taken after the last "
				  "request");
	qsort(r->y + from, r->count - from, sizeof(*r->y), by_value);
	return exactly(fmax(0, r->y[from + (r->count - from) / 2] - before));
}

static int idle(struct measured *out, const struct model *m)
{
	struct traffic_span span;
	struct readings r;
	int rc;

	*out = unmeasured("no requests were seen");
	if (!traffic_span(m, NULL, &span))
		return 0;
	rc = read_rss(&r, m);
	if (rc < 0)
		return rc;
	*out = idle_of(&r, span.first, span.last, m->duration);
	free(r.t);
	return 0;
}

int budget_measure_server(struct measured *out, const struct model *m,
			  enum budget_what what)
{
	switch (what) {
	case BUDGET_RSS:
		*out = peak_of(&m->rss_trend);
		return 0;
	case BUDGET_THREADS:
		*out = peak_of(&m->thread_trend);
		return 0;
	case BUDGET_FDS:
		*out = peak_of(&m->fd_trend);
		return 0;
	case BUDGET_GROWTH:
		return growth(out, m);
	default:
		return idle(out, m);
	}
}

static struct measured too_few(const struct model_endpoint *e, uint64_t least)
{
	return unmeasured("%llu request%s too few; it takes %llu",
			  (unsigned long long)e->count,
			  e->count == 1 ? " is" : "s are",
			  (unsigned long long)least);
}

/* A quantile of fewer requests than @least is the largest of them. */
static struct measured quantile(const struct model_endpoint *e, double ms,
				uint64_t least)
{
	if (e->count < least)
		return too_few(e, least);
	return isnan(ms) ? unmeasured("the recording does not have it")
			 : exactly(ms);
}

/* What fewer requests cost is what the server does once. */
static struct measured per_request(const struct model_endpoint *e, double bytes,
				   double margin)
{
	if (e->count < TRAFFIC_FEW)
		return too_few(e, TRAFFIC_FEW);
	if (isnan(bytes))
		return unmeasured("no allocation could be told to belong to "
				  "its requests");
	return (struct measured) { .value = { bytes, bytes - margin,
					      bytes + margin } };
}

static struct measured throughput(const struct model *m,
				  const struct model_endpoint *e)
{
	struct traffic_span span;

	if (e->count < TRAFFIC_FEW || !traffic_span(m, e, &span))
		return too_few(e, TRAFFIC_FEW);
	return exactly((double)e->count / (span.last - span.first));
}

struct measured budget_measure_endpoint(const struct model *m,
					const struct model_endpoint *e,
					enum budget_what what)
{
	switch (what) {
	case BUDGET_ALLOC:
		return per_request(e, e->alloc_bytes_per_request,
				   1.96 * sqrt(traffic_variance(m, e)));
	case BUDGET_RETAINED:
		return per_request(e, e->retained_bytes_per_request,
				   e->retained_margin);
	case BUDGET_P50:
		return quantile(e, e->p50_ms, 2);
	case BUDGET_P95:
		return quantile(e, e->p95_ms, 20);
	case BUDGET_P99:
		return quantile(e, e->p99_ms, 100);
	case BUDGET_TTFB_P50:
		return quantile(e, e->ttfb_p50_ms, 2);
	case BUDGET_TTFB_P95:
		return quantile(e, e->ttfb_p95_ms, 20);
	case BUDGET_THROUGHPUT:
		return throughput(m, e);
	default:
		return e->count ? exactly((double)e->errors / (double)e->count)
				: unmeasured("no requests were seen");
	}
}

struct measured budget_measure_nothing(const char *route)
{
	return unmeasured("no request to %.100s was seen", route);
}
