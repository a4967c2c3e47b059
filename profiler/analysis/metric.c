/*
 * metric: the table.
 */
#include "profiler/analysis/metric.h"

#define MIB 1048576.0

/* clang-format off */
#define SERVER METRIC_OF_SERVER
#define ENDPOINT METRIC_OF_ENDPOINT
#define SITE METRIC_OF_SITE
const struct metric_kind metric_kinds[METRIC_KINDS] = {
	/*
	 * Two runs on one quiet machine differ by less than the noise given;
	 * on machines that CI lends they do by that much.
	 */
	/* name, text, scope, unit, flows, more is better, gates, matters, noise */
	[METRIC_RSS_PEAK] = { "rss_peak", "peak RSS",
		SERVER, AMOUNT_BYTES, false, false, true, MIB, 0.03 },
	[METRIC_RSS_END] = { "rss_end", "RSS at the end",
		SERVER, AMOUNT_BYTES, false, false, false, MIB, 0.03 },
	[METRIC_LIVE_PEAK] = { "live_peak", "peak live heap",
		SERVER, AMOUNT_BYTES, false, false, true, MIB, 0.03 },
	[METRIC_LIVE_END] = { "live_end", "live heap at the end",
		SERVER, AMOUNT_BYTES, false, false, false, MIB, 0.03 },
	[METRIC_BEYOND_LIVE] = { "beyond_live", "RSS beyond the live heap",
		SERVER, AMOUNT_BYTES, false, false, false, MIB, 0.05 },
	[METRIC_ALLOCATED] = { "allocated", "bytes allocated",
		SERVER, AMOUNT_BYTES, true, false, true, 64, 0.02 },
	[METRIC_ALLOCATIONS] = { "allocations", "allocations",
		SERVER, AMOUNT_COUNT, true, false, false, 1, 0.02 },
	[METRIC_CPU] = { "cpu", "CPU time",
		SERVER, AMOUNT_MS, true, false, false, 0.01, 0.1 },
	[METRIC_THREADS] = { "threads", "most threads",
		SERVER, AMOUNT_COUNT, false, false, true, 2, 0.05 },
	[METRIC_FDS] = { "fds", "most descriptors",
		SERVER, AMOUNT_COUNT, false, false, true, 4, 0.05 },
	[METRIC_P50] = { "p50", "p50",
		ENDPOINT, AMOUNT_MS, false, false, true, 1, 0.15 },
	[METRIC_P95] = { "p95", "p95",
		ENDPOINT, AMOUNT_MS, false, false, true, 1, 0.15 },
	[METRIC_P99] = { "p99", "p99",
		ENDPOINT, AMOUNT_MS, false, false, false, 1, 0.2 },
	[METRIC_TTFB_P50] = { "ttfb_p50", "p50 to first byte",
		ENDPOINT, AMOUNT_MS, false, false, true, 1, 0.15 },
	[METRIC_TTFB_P95] = { "ttfb_p95", "p95 to first byte",
		ENDPOINT, AMOUNT_MS, false, false, true, 1, 0.15 },
	[METRIC_ERRORS] = { "error_rate", "error rate",
		ENDPOINT, AMOUNT_SHARE, false, false, true, 0.005, 0 },
	[METRIC_THROUGHPUT] = { "throughput", "throughput",
		ENDPOINT, AMOUNT_RATE, false, true, false, 1, 0.15 },
	[METRIC_REQUEST_ALLOCATED] = { "request_allocated",
		"bytes allocated per request",
		ENDPOINT, AMOUNT_BYTES, false, false, true, 64, 0.02 },
	[METRIC_REQUEST_RETAINED] = { "request_retained",
		"bytes retained per request",
		ENDPOINT, AMOUNT_BYTES, false, false, true, 16, 0.05 },
	[METRIC_SITE_LIVE] = { "site_live", "live heap at the end",
		SITE, AMOUNT_BYTES, false, false, false, 4096, 0.05 },
	[METRIC_SITE_ALLOCATED] = { "site_allocated", "bytes allocated",
		SITE, AMOUNT_BYTES, true, false, false, 16, 0.05 },
};
#undef SERVER
#undef ENDPOINT
#undef SITE
/* clang-format on */
