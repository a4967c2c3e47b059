/*
 * openmetrics_requests: the requests of the OpenMetrics report.
 *
 * The labels are those of OpenTelemetry's conventions, http.route as
 * http_route.  The model keeps quantiles, not buckets, so durations are
 * summaries; the quantile 1 is the longest.
 */
#include <stddef.h>

#include "profiler/model/model.h"
#include "reports/metrics.h"
#include "reports/openmetrics.h"

static void label(struct metrics *x, const struct model_endpoint *p)
{
	metrics_label(x, "http_request_method", p->method);
	metrics_label(x, "http_route", p->route);
}

static void put_quantile(struct metrics *x, const struct model_endpoint *p,
			 const char *quantile, double ms)
{
	label(x, p);
	metrics_label(x, "quantile", quantile);
	metrics_value(x, ms / 1e3);
}

static void put_counts(struct metrics *x, const struct model *m)
{
	static const char *const classes[] = { "none", "1xx", "2xx",
					       "3xx",  "4xx", "5xx" };
	const struct model_endpoint *end = m->endpoints + m->endpoint_count;
	const struct model_endpoint *p;

	metrics_family(x, METRICS_COUNTER, "strandline_http_requests",
		       "Requests answered, by class of status.");
	for (p = m->endpoints; p < end; p++) {
		for (size_t c = 0; c < 6; c++) {
			label(x, p);
			metrics_label(x, "status", classes[c]);
			metrics_value(x, (double)p->status[c]);
		}
	}
	metrics_family(x, METRICS_COUNTER, "strandline_http_errors",
		       "Requests answered 5xx or cut off.");
	for (p = m->endpoints; p < end; p++) {
		label(x, p);
		metrics_value(x, (double)p->errors);
	}
	metrics_family(x, METRICS_COUNTER, "strandline_http_streamed",
		       "Requests answered in chunks.");
	for (p = m->endpoints; p < end; p++) {
		label(x, p);
		metrics_value(x, (double)p->streamed);
	}
}

static void put_times(struct metrics *x, const struct model *m)
{
	const struct model_endpoint *end = m->endpoints + m->endpoint_count;
	const struct model_endpoint *p;

	metrics_family(x, METRICS_SUMMARY,
		       "http_server_request_duration_seconds",
		       "From a request's first byte in to its last one out.");
	for (p = m->endpoints; p < end; p++) {
		put_quantile(x, p, "0.5", p->p50_ms);
		put_quantile(x, p, "0.95", p->p95_ms);
		put_quantile(x, p, "0.99", p->p99_ms);
		put_quantile(x, p, "1", p->max_ms);
		label(x, p);
		metrics_count(x, (double)p->count);
	}
	metrics_family(x, METRICS_SUMMARY,
		       "strandline_http_time_to_first_byte_seconds",
		       "From a request's first byte in to its first one out.");
	for (p = m->endpoints; p < end; p++) {
		put_quantile(x, p, "0.5", p->ttfb_p50_ms);
		put_quantile(x, p, "0.95", p->ttfb_p95_ms);
	}
	metrics_family(x, METRICS_SUMMARY, "strandline_http_chunk_gap_seconds",
		       "Between the chunks of a streamed answer.");
	for (p = m->endpoints; p < end; p++)
		put_quantile(x, p, "0.95", p->gap_p95_ms);
	metrics_family(x, METRICS_SUMMARY, "strandline_http_queue_seconds",
		       "Before the handler began.");
	for (p = m->endpoints; p < end; p++)
		put_quantile(x, p, "0.95", p->queue_p95_ms);
}

static void put_memory(struct metrics *x, const struct model *m)
{
	const struct model_endpoint *end = m->endpoints + m->endpoint_count;
	const struct model_endpoint *p;

	metrics_family(x, METRICS_GAUGE,
		       "strandline_http_allocated_bytes_per_request",
		       "Bytes that a request allocates.");
	for (p = m->endpoints; p < end; p++) {
		label(x, p);
		metrics_value(x, p->alloc_bytes_per_request);
	}
	metrics_family(x, METRICS_GAUGE,
		       "strandline_http_retained_bytes_per_request",
		       "Of that, what outlives the request.");
	for (p = m->endpoints; p < end; p++) {
		label(x, p);
		metrics_value(x, p->retained_bytes_per_request);
	}
}

void openmetrics_requests(struct metrics *x, const struct model *m)
{
	if (m->endpoint_count == 0)
		return;
	put_counts(x, m);
	put_times(x, m);
	put_memory(x, m);
}
