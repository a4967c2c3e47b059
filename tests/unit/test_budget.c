/* Budgets held against models: passed, exceeded, or not known and why. */
#include "profiler/analysis/budget.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/model/model.h"

#define MIB	1048576.0
#define SECONDS 120

/* A server that was read each second, idle for 5 s before and behind 110 s of
 * 100 requests each. */
struct served {
	struct model model;
	struct model_process process;
	struct model_window windows[SECONDS];
	struct model_ledger_point ledger[SECONDS];
	struct model_endpoint endpoints[2];
	double counts[SECONDS];
};

static struct served served;
static struct budgets budgets;
static struct checks checks;

static const struct model *serve(double start_mib, double bytes_per_request)
{
	struct model *m = &served.model;

	served.process = (struct model_process) { .pid = 7, .ended = -1 };
	for (int i = 0; i < SECONDS; i++) {
		bool busy = i >= 5 && i < 115;
		struct model_ledger_point *p = &served.ledger[i];

		served.windows[i].t = i;
		served.windows[i].requests = busy ? 100 : 0;
		served.counts[i] = busy && i % 2 ? 80 : 0;
		memset(p, 0xff, sizeof(*p));
		p->t = i;
		p->pid = 7;
		p->rss = (uint64_t)(start_mib * MIB) +
			 (uint64_t)(bytes_per_request * 100 *
				    (i < 5     ? 0
				     : i < 115 ? i - 5
					       : 110)) +
			 (uint64_t)(i * 7919 % 13) * 4096;
	}
	served.endpoints[0] = (struct model_endpoint) {
		.method = "POST",
		.route = "/api/v1/chat",
		.count = 4400,
		.errors = 44,
		.p50_ms = 40,
		.p95_ms = 310,
		.p99_ms = 900,
		.ttfb_p50_ms = NAN,
		.ttfb_p95_ms = NAN,
		.alloc_bytes_per_request = 3 * MIB,
		.retained_bytes_per_request = NAN,
		.windows = served.counts,
	};
	served.endpoints[1] = (struct model_endpoint) {
		.method = "GET",
		.route = "/health",
		.count = 12,
		.p50_ms = 1,
		.p95_ms = 2,
		.p99_ms = 3,
	};
	*m = (struct model) {
		.path = "shop.strand",
		.duration = SECONDS,
		.requests = 11000,
		.processes = &served.process,
		.process_count = 1,
		.windows = served.windows,
		.window_count = SECONDS,
		.window_seconds = 1,
		.ledger = served.ledger,
		.ledger_count = SECONDS,
		.endpoints = served.endpoints,
		.endpoint_count = 2,
		.rss_trend = { .peak = 600 * MIB },
		.thread_trend = { .peak = 14 },
	};
	return m;
}

/* The checks of @text against @m. */
static void hold(const struct model *m, const char *text)
{
	struct err err = ERR_INIT;

	budgets_init(&budgets);
	cr_assert_eq(budgets_parse(&budgets, "b.yml", text, strlen(text), &err),
		     0, "%s", err.text);
	cr_assert_eq(checks_of(&checks, &budgets, m, &err), 0);
}

static void drop(void)
{
	checks_free(&checks);
	budgets_fini(&budgets);
}

/* The one check that there is. */
static void check_one(enum check_state state, const char *sentence)
{
	cr_assert_eq(checks.list.count, 1);
	cr_assert_str_eq(checks.list.at[0].sentence, sentence);
	cr_assert_eq(checks.list.at[0].state, state);
	drop();
}

#define ENDPOINT(route, limit) \
	"latency: {endpoints: [{route: '" route "', " limit "}]}\n"

Test(budget, what_stays_within_its_limit_passes)
{
	hold(serve(100, 0), "memory: {rss_max: 600 MiB}\n");
	check_one(CHECK_PASS, "peak RSS is 600.0 MiB, within 600.0 MiB");
	hold(serve(100, 0), "threads: {max: 14}\n");
	check_one(CHECK_PASS, "most threads is 14, within 14");
}

Test(budget, what_is_beyond_is_exceeded)
{
	hold(serve(100, 0), "memory: {rss_max: 512 MiB}\n");
	check_one(CHECK_EXCEEDED, "peak RSS is 600.0 MiB, above 512.0 MiB");
	hold(serve(100, 0), ENDPOINT("POST /api/v1/chat", "p95_max: 250ms"));
	check_one(CHECK_EXCEEDED, "p95 is 310 ms, above 250 ms");
}

Test(budget, what_is_beyond_by_less_than_is_shown_says_by_how_much)
{
	hold(serve(100, 0), "memory: {rss_max: 614399 KiB}\n");
	check_one(CHECK_EXCEEDED,
		  "peak RSS is 600.0 MiB, above 600.0 MiB by 1.0 KiB");
}

Test(budget, what_was_not_recorded_is_not_known)
{
	hold(serve(100, 0), "fds: {max: 10}\n");
	check_one(CHECK_UNKNOWN, "most descriptors is not known: the recording "
				 "has no readings of it");
	hold(serve(100, 0), ENDPOINT("POST /api/v1/chat", "ttfb_p95_max: 1s"));
	check_one(CHECK_UNKNOWN, "p95 of the time to first byte is not known: "
				 "the recording does not have it");
}

Test(budget, a_quantile_of_too_few_requests_is_not_known)
{
	hold(serve(100, 0), ENDPOINT("GET /health", "p99_max: 1ms"));
	check_one(CHECK_UNKNOWN, "p99 is not known: 12 requests are too few; "
				 "it takes 100");
}

Test(budget, what_a_request_costs_takes_more_than_a_few)
{
	const struct model *m = serve(100, 0);

	served.endpoints[0].count = 1;
	hold(m, ENDPOINT("POST /api/v1/chat", "throughput_min: 1/s"));
	check_one(CHECK_UNKNOWN, "throughput is not known: 1 request is too "
				 "few; it takes 10");
	hold(m, "memory: {endpoints: [{route: /api/v1/chat, alloc_max: "
		"1 B}]}\n");
	check_one(CHECK_UNKNOWN, "bytes allocated per request is not known: 1 "
				 "request is too few; it takes 10");
}

Test(budget, a_sampled_cost_is_exceeded_only_for_sure)
{
	const struct model *m = serve(100, 0);

	served.endpoints[0].count = 40;
	served.model.mean_bytes = 512 * 1024;
	hold(m, "memory: {endpoints: [{route: /api/v1/chat, alloc_max: "
		"2900 KiB}]}\n");
	cr_assert_eq(checks.list.at[0].state, CHECK_UNKNOWN);
	cr_assert_float_eq(checks.list.at[0].value.high - 3 * MIB,
			   1.96 * MIB * sqrt(1.5 / 40), 1);
	drop();
}

Test(budget, an_endpoint_that_nobody_called_is_not_known)
{
	hold(serve(100, 0), ENDPOINT("GET /nothing", "p50_max: 1ms"));
	check_one(CHECK_UNKNOWN, "p50 is not known: no request to GET /nothing "
				 "was seen");
}

Test(budget, a_pattern_is_held_against_every_endpoint_that_it_takes)
{
	hold(serve(100, 0), ENDPOINT("*", "p50_max: 20ms"));
	cr_assert_eq(checks.list.count, 2);
	cr_assert_str_eq(checks.list.at[0].endpoint, "POST /api/v1/chat");
	cr_assert_eq(checks.list.at[0].state, CHECK_EXCEEDED);
	cr_assert_str_eq(checks.list.at[1].endpoint, "GET /health");
	cr_assert_eq(checks.list.at[1].state, CHECK_PASS);
	cr_assert_eq(checks.exceeded, 1);
	drop();
	hold(serve(100, 0), ENDPOINT("POST *", "p50_max: 20ms"));
	cr_assert_eq(checks.list.count, 1);
	drop();
	hold(serve(100, 0), ENDPOINT("/health", "p50_max: 20ms"));
	cr_assert_eq(checks.list.count, 1);
	drop();
}

Test(budget, the_error_rate_and_the_throughput_are_held)
{
	hold(serve(100, 0),
	     ENDPOINT("POST /api/v1/chat", "error_rate_max: 0.5%"));
	check_one(CHECK_EXCEEDED, "error rate is 1 %, above 0.5 %");
	/* 4,400 within the 109 s between its first and its last window. */
	hold(serve(100, 0),
	     ENDPOINT("POST /api/v1/chat", "throughput_min: 40/s"));
	check_one(CHECK_PASS, "throughput is 40/s, not below 40/s");
	hold(serve(100, 0),
	     ENDPOINT("POST /api/v1/chat", "throughput_min: 50/s"));
	check_one(CHECK_EXCEEDED, "throughput is 40/s, below 50/s");
}

Test(budget, growth_is_per_request_and_has_an_interval)
{
	const struct check *c = NULL;

	hold(serve(100, 2048), "memory: {growth_per_request_max: 1 KiB}\n");
	c = &checks.list.at[0];
	cr_assert_eq(c->state, CHECK_EXCEEDED, "%s", c->sentence);
	cr_assert_float_eq(c->value.value, 2048, 100);
	cr_assert(c->value.low <= 2048 && c->value.high >= 2048);
	drop();
	hold(serve(100, 2048), "memory: {growth_per_request_max: 3 KiB}\n");
	cr_assert_eq(checks.list.at[0].state, CHECK_PASS);
	drop();
}

Test(budget, a_server_that_does_not_grow_keeps_a_small_growth_budget)
{
	hold(serve(100, 0), "memory: {growth_per_request_max: 64 B}\n");
	cr_assert_eq(checks.list.at[0].state, CHECK_PASS, "%s",
		     checks.list.at[0].sentence);
	drop();
}

Test(budget, without_requests_growth_per_request_is_not_known)
{
	const struct model *m = serve(100, 0);

	served.model.requests = 0;
	hold(m, "memory: {growth_per_request_max: 64 B}\n");
	check_one(CHECK_UNKNOWN, "growth of RSS per request is not known: no "
				 "requests were seen");
}

Test(budget, memory_kept_after_the_load_is_told_from_before_it)
{
	hold(serve(100, 2048), "memory: {retained_after_idle_max: 20 MiB}\n");
	cr_assert_eq(checks.list.at[0].state, CHECK_EXCEEDED);
	cr_assert_float_eq(checks.list.at[0].value.value, 2048 * 11000, 65536);
	drop();
}

Test(budget, a_recording_without_an_idle_end_cannot_tell_what_is_kept)
{
	const struct model *m = serve(100, 0);

	served.model.duration = 116.2;
	served.model.window_count = 116;
	hold(m, "memory: {retained_after_idle_max: 20 MiB}\n");
	check_one(CHECK_UNKNOWN, "RSS kept after the load is not known: the "
				 "recording ends 1.2 s after its last request; "
				 "let it go on for 2 s");
}

Test(budget, all_processes_count_when_memory_grows)
{
	static struct model_process two[2];
	static struct model_ledger_point both[2 * SECONDS];
	const struct model *m = serve(100, 0);

	two[0] = served.process;
	two[1] = (struct model_process) { .pid = 8, .ended = -1 };
	for (int i = 0; i < SECONDS; i++) {
		both[2 * i] = served.ledger[i];
		both[2 * i].pid = 8;
		both[2 * i].rss += (uint64_t)i * 200 * 2048;
		both[2 * i + 1] = served.ledger[i];
	}
	served.model.ledger = both;
	served.model.ledger_count = 2 * SECONDS;
	served.model.processes = two;
	served.model.process_count = 2;
	hold(m, "memory: {growth_per_request_max: 1 KiB}\n");
	cr_assert_eq(checks.list.at[0].state, CHECK_EXCEEDED, "%s",
		     checks.list.at[0].sentence);
	drop();
}
