/* What reports say of slow endpoints, and of those that get slower. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/base/err.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one;
static struct model_slow slow[1];
static struct model_slow_part parts[2];
static struct model_moment course[20];
static struct model_endpoint endpoints[2];

/* POST /api/v1/retrieval/search, whose p95 is 12.5 ms, waits for a futex in
 * rag::Index::add. */
static struct model slow_model(void)
{
	struct model m = *fixture_rag(&one, false);

	parts[0] = (struct model_slow_part) { .node = m.sites[0].node,
					      .own = true,
					      .waited = true,
					      .why = MODEL_BLOCKED_FUTEX,
					      .ms = 200,
					      .count = 3 };
	parts[1] = (struct model_slow_part) { .node = m.sites[1].node,
					      .waited = true,
					      .why = MODEL_BLOCKED_SLEEP,
					      .ms = 150,
					      .count = 1 };
	slow[0] = (struct model_slow) { .method = "POST",
					.route = "/api/v1/retrieval/search",
					.t = 12.5,
					.took_ms = 240,
					.queue_ms = 3,
					.ttfb_ms = 235,
					.on_cpu_ms = 17,
					.off_cpu_ms = 220,
					.status = 200,
					.parts = parts,
					.part_count = 2 };
	for (int w = 0; w < 20; w++)
		course[w] = (struct model_moment) { 50, 4, 10 + w, 20 + w };
	memcpy(endpoints, m.endpoints, sizeof(endpoints));
	endpoints[0].course = course;
	m.endpoints = endpoints;
	m.course_count = 20;
	m.course_seconds = 3;
	m.slow = slow;
	m.slow_count = 1;
	return m;
}

static struct buf written(const char *format, double slow_ms)
{
	struct report_options opt = { .kind = MODEL_LIVE,
				      .columns = 160,
				      .slow_ms = slow_ms };
	struct model m = slow_model();

	return golden_report(format, &m, &opt);
}

static void check_holds(const char *format, double slow_ms, const char *text)
{
	struct buf out = written(format, slow_ms);

	cr_expect_not_null(strstr(out.bytes, text), "no '%s' in\n%s", text,
			   out.bytes);
	buf_free(&out);
}

static void check_lacks(const char *format, double slow_ms, const char *text)
{
	struct buf out = written(format, slow_ms);

	cr_expect_null(strstr(out.bytes, text), "'%s' in\n%s", text, out.bytes);
	buf_free(&out);
}

Test(report_slow, no_endpoint_is_slow_below_the_threshold)
{
	check_lacks("text", 0, "SLOW");
	check_lacks("md", 0, "Slow, with");
	check_holds("json", 0, "\"slow\":{\"p95_ms\":1000,\"endpoints\":[]}");
}

Test(report_slow, text_tells_where_the_time_went_and_in_what_stack)
{
	check_holds("text", 10, "p95 above 10 ms");
	check_holds("text", 10,
		    "its thread: 200 ms in a futex, 17 ms on a CPU");
	check_holds("text", 10, "200 ms in a futex: std::vector<float");
}

Test(report_slow, markdown_tells_where_the_time_went)
{
	check_holds("md", 10, "| 3.0 ms | 232 ms | 5.0 ms |");
	check_holds("md", 10, "200 ms in a futex");
}

/* Its thread did not wait for other events: what others did is theirs. */
Test(report_slow, other_threads_are_told_where_the_own_one_waits_for_events)
{
	struct report_options opt = { .columns = 160, .slow_ms = 10 };
	struct model m = slow_model();
	struct buf out = golden_report("text", &m, &opt);

	cr_expect_null(strstr(out.bytes, "asleep"));
	buf_free(&out);
	parts[0].why = MODEL_BLOCKED_EPOLL;
	out = golden_report("text", &m, &opt);
	cr_expect_not_null(strstr(out.bytes, "150 ms asleep"));
	buf_free(&out);
}

/* Asleep for 0.9 of all the time, and for 0.625 of the request. */
Test(report_slow, what_other_threads_do_all_the_time_is_not_told)
{
	struct report_options opt = { .columns = 160, .slow_ms = 10 };
	struct model m = slow_model();
	struct buf out;

	parts[0].why = MODEL_BLOCKED_EPOLL;
	parts[1].steady = 0.9;
	endpoints[0].took.sum_s = 20;
	out = golden_report("text", &m, &opt);
	cr_expect_null(strstr(out.bytes, "asleep"));
	buf_free(&out);
	parts[1].steady = 0.3;
	out = golden_report("text", &m, &opt);
	cr_expect_not_null(strstr(out.bytes, "150 ms asleep"));
	buf_free(&out);
}

/* There are such requests most of the time: it may well be for them. */
Test(report_slow, what_goes_on_beside_requests_all_the_time_is_told)
{
	struct report_options opt = { .columns = 160, .slow_ms = 10 };
	struct model m = slow_model();
	struct buf out;

	parts[0].why = MODEL_BLOCKED_EPOLL;
	parts[1].steady = 0.9;
	endpoints[0].took.sum_s = 40;
	out = golden_report("text", &m, &opt);
	cr_expect_not_null(strstr(out.bytes, "150 ms asleep"));
	buf_free(&out);
}

static json_t *parsed(struct buf *out)
{
	json_t *root;

	*out = written("json", 10);
	root = json_loadb(out->bytes, out->len, 0, NULL);
	cr_assert_not_null(root);
	return root;
}

Test(report_slow, json_has_the_parts_of_the_time_and_the_stacks)
{
	struct buf out;
	json_t *root = parsed(&out), *at, *stack;

	at = json_array_get(json_object_get(json_object_get(root, "slow"),
					    "endpoints"),
			    0);
	cr_expect_eq(json_number_value(json_object_get(at, "handling_ms")),
		     232);
	cr_expect_eq(json_number_value(json_object_get(
			     json_object_get(json_object_get(at, "own_threads"),
					     "blocked_ms"),
			     "futex")),
		     200);
	at = json_array_get(json_object_get(root, "slow_requests"), 0);
	at = json_array_get(json_object_get(at, "stacks"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(at, "state")),
			 "futex");
	stack = json_object_get(at, "stack");
	cr_expect_gt(json_array_size(stack), 3);
	json_decref(root);
	buf_free(&out);
}

Test(report_slow, json_has_the_course_and_its_trend)
{
	struct buf out;
	json_t *root = parsed(&out), *first, *trend, *p95;

	first = json_array_get(json_object_get(root, "endpoints"), 0);
	p95 = json_object_get(json_object_get(first, "course"), "p95_ms");
	cr_assert_eq(json_array_size(p95), 20);
	cr_expect_eq(json_number_value(json_array_get(p95, 19)), 29);
	trend = json_object_get(first, "p95_trend");
	cr_expect_str_eq(json_string_value(json_object_get(trend, "class")),
			 "rises");
	cr_expect_float_eq(json_number_value(
				   json_object_get(trend, "ms_per_minute")),
			   20, 1e-6);
	json_decref(root);
	buf_free(&out);
}

Test(report_slow, text_and_markdown_tell_what_gets_slower)
{
	check_holds("text", 0, "p95 rises by 20 ms a minute, from 10 ms to");
	check_holds("text", 0, "LATENCY  20 windows of 3.0 s");
	check_holds("md", 0, "p95 rises by 20 ms a minute");
}

Test(report_slow, csv_has_a_row_for_each_window)
{
	struct report_options opt = { .course = true };
	struct model m = slow_model();
	struct buf out = golden_report("csv", &m, &opt);

	cr_expect_not_null(strstr(out.bytes,
				  "\"POST\",\"/api/v1/retrieval/search\",57,3,"
				  "50,4,29,39\r\n"),
			   "%s", out.bytes);
	buf_free(&out);
}

static int parse(struct budgets *b, const char *text, struct err *err)
{
	budgets_init(b);
	return budgets_parse(b, "t.yml", text, strlen(text), err);
}

Test(report_slow, the_threshold_stands_in_strandline_yml)
{
	struct err err = ERR_INIT;
	struct budgets b;

	cr_expect_eq(parse(&b, "latency:\n  slow: 500ms\n", &err), 0, "%s",
		     err.text);
	cr_expect_eq(b.slow_ms, 500);
	cr_expect_eq(b.list.count, 0);
	budgets_fini(&b);
	cr_expect_lt(parse(&b, "latency:\n  slow: 500\n", &err), 0);
	cr_expect_not_null(strstr(err.text, "t.yml:2"), "%s", err.text);
	budgets_fini(&b);
}

/* Above 10 ms but for searches, and above 60 s of all that is below /api. */
static const char by_route[] = "latency:\n"
			       "  slow: 10ms\n"
			       "  endpoints:\n"
			       "    - route: /api/v1/retrieval/*\n"
			       "      slow: 20ms\n"
			       "    - route: /api/*\n"
			       "      slow: 60s\n";

Test(report_slow, a_route_can_have_a_threshold_of_its_own)
{
	struct err err = ERR_INIT;
	struct budgets b;
	const struct model_endpoint search = {
		.method = "GET", .route = "/api/v1/retrieval/search"
	};
	const struct model_endpoint chat = { .method = "POST",
					     .route = "/api/v1/chat" };
	const struct model_endpoint health = { .method = "GET",
					       .route = "/health" };

	cr_assert_eq(parse(&b, by_route, &err), 0, "%s", err.text);
	cr_expect_eq(slow_limits_of(&b.slow_limits, &search), 20,
		     "what says most of it");
	cr_expect_eq(slow_limits_of(&b.slow_limits, &chat), 60000);
	cr_expect_eq(slow_limits_of(&b.slow_limits, &health), 0);
	cr_expect_eq(slow_limits_of(NULL, &health), 0);
	cr_expect_eq(b.list.count, 0);
	budgets_fini(&b);
	cr_expect_lt(parse(&b,
			   "latency:\n  endpoints:\n    - route: /x\n"
			   "      slow: 0ms\n",
			   &err),
		     0);
	cr_expect_not_null(strstr(err.text, "t.yml:4"), "%s", err.text);
	budgets_fini(&b);
}

Test(report_slow, endpoints_below_a_threshold_of_their_own_are_not_slow)
{
	struct slow_limit own = { .route = "/api/v1/retrieval/search",
				  .ms = 20 };
	const struct slow_limits limits = { .list = { &own, 1, 1 } };
	struct model m = slow_model();
	struct report_options opt = { .columns = 160,
				      .slow_ms = 10,
				      .slow_limits = &limits };
	struct buf out = golden_report("text", &m, &opt);

	cr_expect_null(strstr(out.bytes, "in a futex"), "%s", out.bytes);
	buf_free(&out);
	own.ms = 5;
	opt.slow_ms = 1000;
	out = golden_report("text", &m, &opt);
	cr_expect_not_null(strstr(out.bytes, "1 s or their own limit"), "%s",
			   out.bytes);
	buf_free(&out);
}
