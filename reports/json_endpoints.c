/*
 * json_endpoints: the requests, by method and route, of the JSON report.
 */
#include <math.h>
#include <stdbool.h>

#include "profiler/analysis/drift.h"
#include "reports/emit.h"
#include "reports/json.h"
#include "reports/rating.h"

static void put_status(struct emit *e, const struct model_endpoint *p)
{
	static const char *const classes[] = { "none", "1xx", "2xx",
					       "3xx",  "4xx", "5xx" };

	emit_key(e, "status");
	emit_open(e, '{');
	for (int i = 0; i < 6; i++)
		emit_key_unsigned(e, classes[i], p->status[i]);
	emit_close(e, '}');
}

static void put_times(struct emit *e, const struct model_endpoint *p)
{
	emit_key_real(e, "p50_ms", p->p50_ms, 6);
	emit_key_real(e, "p95_ms", p->p95_ms, 6);
	emit_key_real(e, "p99_ms", p->p99_ms, 6);
	emit_key_real(e, "max_ms", p->max_ms, 6);
	emit_key_real(e, "ttfb_p50_ms", p->ttfb_p50_ms, 6);
	emit_key_real(e, "ttfb_p95_ms", p->ttfb_p95_ms, 6);
	emit_key_real(e, "gap_p95_ms", p->gap_p95_ms, 6);
	emit_key_real(e, "queue_p95_ms", p->queue_p95_ms, 6);
}

/* A value of each window of the course. */
#define PUT_COURSE(e, m, p, member, put)                         \
	do {                                                     \
		emit_key(e, #member);                            \
		emit_open(e, '[');                               \
		for (uint32_t w = 0; w < (m)->course_count; w++) \
			put;                                     \
		emit_close(e, ']');                              \
	} while (0)

/* null: not known by window. */
static void put_course(struct emit *e, const struct model *m,
		       const struct model_endpoint *p)
{
	emit_key(e, "course");
	if (!p->course) {
		emit_null(e);
		return;
	}
	emit_open(e, '{');
	emit_key_real(e, "window_seconds", m->course_seconds, 6);
	PUT_COURSE(e, m, p, count, emit_unsigned(e, p->course[w].count));
	PUT_COURSE(e, m, p, p50_ms, emit_real(e, p->course[w].p50_ms, 4));
	PUT_COURSE(e, m, p, p95_ms, emit_real(e, p->course[w].p95_ms, 4));
	PUT_COURSE(e, m, p, p99_ms, emit_real(e, p->course[w].p99_ms, 4));
	emit_close(e, '}');
}

static void put_trend(struct emit *e, const struct model *m,
		      const struct model_endpoint *p)
{
	struct drift d;

	drift_of(&d, m, p);
	emit_key(e, "p95_trend");
	emit_open(e, '{');
	emit_key_text(e, "class", drift_name(d.class));
	emit_key_unsigned(e, "windows", d.windows);
	emit_key_real(e, "ms_per_minute", d.ms_per_minute, 6);
	emit_key_real(e, "from_ms", d.from_ms, 6);
	emit_key_real(e, "to_ms", d.to_ms, 6);
	emit_key_real(e, "p_value", d.p_value, 6);
	emit_close(e, '}');
}

static bool is_closed(const struct model *m)
{
	return m->load.kind == MODEL_LOAD_CLOSED;
}

static void put_load(struct emit *e, const struct model *m)
{
	if (m->load.kind == MODEL_LOAD_UNKNOWN)
		return;
	emit_key(e, "load");
	emit_open(e, '{');
	emit_key_text(e, "kind", is_closed(m) ? "closed" : "open");
	if (is_closed(m)) {
		emit_key_real(e, "clients", m->load.clients, 1);
		emit_key_real(e, "interval_ms", m->load.interval_ms, 6);
	}
	emit_close(e, '}');
}

static void put_corrected(struct emit *e, const struct model_endpoint *p)
{
	emit_key(e, "corrected");
	emit_open(e, '{');
	emit_key_real(e, "p50_ms", p->corrected.p50_ms, 6);
	emit_key_real(e, "p95_ms", p->corrected.p95_ms, 6);
	emit_key_real(e, "p99_ms", p->corrected.p99_ms, 6);
	emit_close(e, '}');
}

/* In the buckets of traffic.latency_bounds_s; null: nothing was timed. */
static void put_latency(struct emit *e, const char *key,
			const struct model_latency *l)
{
	emit_key(e, key);
	if (l->count == 0) {
		emit_null(e);
		return;
	}
	emit_open(e, '{');
	emit_key_unsigned(e, "count", l->count);
	emit_key_real(e, "sum_s", l->sum_s, 9);
	emit_key(e, "within");
	emit_open(e, '[');
	for (size_t i = 0; i < MODEL_LATENCY_BOUNDS; i++)
		emit_unsigned(e, l->within[i]);
	emit_close(e, ']');
	emit_close(e, '}');
}

static void put_latencies(struct emit *e, const struct model_endpoint *p)
{
	put_latency(e, "duration", &p->took);
	put_latency(e, "ttfb", &p->ttfb);
	put_latency(e, "gap", &p->gap);
	put_latency(e, "queue", &p->queue);
}

static const char *attribution(const struct model_endpoint *p)
{
	if (isnan(p->alloc_bytes_per_request))
		return "none";
	if (p->alone == p->count)
		return "exact";
	return p->by_handler ? "handler" : "estimate";
}

static void put_memory(struct emit *e, const struct model_endpoint *p)
{
	double low =
		fmax(0, p->retained_bytes_per_request - p->retained_margin);

	emit_key_text(e, "attribution", attribution(p));
	emit_key_real(e, "alloc_bytes_per_request", p->alloc_bytes_per_request,
		      3);
	emit_key_real(e, "alloc_objects_per_request",
		      p->alloc_objects_per_request, 3);
	emit_key_real(e, "peak_bytes_per_request", p->peak_bytes_per_request,
		      3);
	emit_key_real(e, "peak_bytes_most", p->peak_bytes_most, 0);
	emit_key_real(e, "retained_bytes_per_request",
		      p->retained_bytes_per_request, 3);
	emit_key_real(e, "retained_low", isnan(p->retained_margin) ? NAN : low,
		      3);
	emit_key_real(e, "retained_high",
		      p->retained_bytes_per_request + p->retained_margin, 3);
}

/* Not measured is null; absent: no targets were given for it. */
static void put_rating(struct emit *e, const struct checks *checks,
		       const struct model_endpoint *p)
{
	enum rating rating = rating_of(checks, p);

	if (rating == RATING_NONE)
		return;
	emit_key(e, "rating");
	if (rating == RATING_UNMEASURED)
		emit_null(e);
	else
		emit_text(e, rating_name(rating));
}

void json_endpoints(struct emit *e, const struct model *m,
		    const struct checks *checks)
{
	json_section(e, "traffic", '{');
	emit_key_unsigned(e, "requests", m->requests);
	emit_key_unsigned(e, "connections", m->connections);
	emit_key_unsigned(e, "foreign", m->foreign);
	emit_key_unsigned(e, "sealed", m->sealed);
	if (m->requests_by_kernel || m->requests_by_shim)
		emit_key_text(e, "timed_by",
			      !m->requests_by_kernel ? "shim"
			      : m->requests_by_shim  ? "both"
						     : "kernel");
	put_load(e, m);
	emit_key(e, "latency_bounds_s");
	emit_open(e, '[');
	for (size_t i = 0; i < MODEL_LATENCY_BOUNDS; i++)
		emit_real(e, model_latency_bounds_s[i], 4);
	emit_close(e, ']');
	emit_close(e, '}');
	json_section(e, "endpoints", '[');
	for (uint32_t i = 0; i < m->endpoint_count; i++) {
		const struct model_endpoint *p = &m->endpoints[i];

		emit_line(e);
		emit_open(e, '{');
		emit_key_text(e, "method", p->method);
		emit_key_text(e, "route", p->route);
		emit_key_unsigned(e, "count", p->count);
		emit_key_unsigned(e, "errors", p->errors);
		emit_key_unsigned(e, "cut", p->cut);
		emit_key_unsigned(e, "streamed", p->streamed);
		put_status(e, p);
		put_times(e, p);
		if (is_closed(m))
			put_corrected(e, p);
		put_latencies(e, p);
		put_course(e, m, p);
		put_trend(e, m, p);
		put_memory(e, p);
		put_rating(e, checks, p);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}
