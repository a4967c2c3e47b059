/*
 * openmetrics_requests: the requests of the OpenMetrics report.
 *
 * The labels are those of OpenTelemetry's conventions, http.route as
 * http_route.  Times are histograms, which can be added up and looked at over
 * any while; the quantiles of the whole recording, which are exact, stand
 * beside them.  The quantile 1 is the longest.
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

static const struct model_latency *took(const struct model_endpoint *p)
{
	return &p->took;
}

static const struct model_latency *ttfb(const struct model_endpoint *p)
{
	return &p->ttfb;
}

static const struct model_latency *gap(const struct model_endpoint *p)
{
	return &p->gap;
}

static const struct model_latency *queue(const struct model_endpoint *p)
{
	return &p->queue;
}

static const struct {
	const char *name, *help;
	const struct model_latency *(*of)(const struct model_endpoint *p);
} histograms[] = {
	{ "http_server_request_duration_seconds",
	  "From a request's first byte in to its last one out.", took },
	{ "strandline_http_time_to_first_byte_seconds",
	  "From a request's first byte in to its first one out.", ttfb },
	{ "strandline_http_chunk_gap_seconds",
	  "The longest pause between the chunks of each streamed answer.",
	  gap },
	{ "strandline_http_queue_seconds", "Before the handler began.", queue },
};

static void put_histogram(struct metrics *x, const struct model_endpoint *p,
			  const struct model_latency *l)
{
	const struct metrics_histogram h = {
		.bounds = model_latency_bounds_s,
		.within = l->within,
		.bound_count = MODEL_LATENCY_BOUNDS,
		.count = l->count,
		.sum = l->sum_s,
	};

	if (l->count == 0)
		return;
	label(x, p);
	metrics_histogram(x, &h);
}

static void put_histograms(struct metrics *x, const struct model *m)
{
	for (size_t i = 0; i < sizeof(histograms) / sizeof(histograms[0]);
	     i++) {
		metrics_family(x, METRICS_HISTOGRAM, histograms[i].name,
			       histograms[i].help);
		for (uint32_t e = 0; e < m->endpoint_count; e++)
			put_histogram(x, &m->endpoints[e],
				      histograms[i].of(&m->endpoints[e]));
	}
}

static void put_quantiles(struct metrics *x, const struct model *m)
{
	const struct model_endpoint *end = m->endpoints + m->endpoint_count;
	const struct model_endpoint *p;

	metrics_family(x, METRICS_SUMMARY,
		       "strandline_http_request_duration_seconds",
		       "The same by quantiles of the whole recording.");
	for (p = m->endpoints; p < end; p++) {
		put_quantile(x, p, "0.5", p->p50_ms);
		put_quantile(x, p, "0.95", p->p95_ms);
		put_quantile(x, p, "0.99", p->p99_ms);
		put_quantile(x, p, "1.0", p->max_ms);
		label(x, p);
		metrics_count(x, (double)p->count);
	}
	metrics_family(x, METRICS_SUMMARY, "strandline_http_first_byte_seconds",
		       "The time to the first byte, likewise.");
	for (p = m->endpoints; p < end; p++) {
		put_quantile(x, p, "0.5", p->ttfb_p50_ms);
		put_quantile(x, p, "0.95", p->ttfb_p95_ms);
	}
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
	put_histograms(x, m);
	put_quantiles(x, m);
	put_memory(x, m);
}
