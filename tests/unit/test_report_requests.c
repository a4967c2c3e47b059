/* What reports say of requests beyond their table's figures. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/base/err.h"
#include "reports/layout.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one;

static struct model closed_loop(void)
{
	struct model m = *fixture_rag(&one, false);

	m.load.kind = MODEL_LOAD_CLOSED;
	m.load.clients = 12;
	m.load.interval_ms = 5;
	m.endpoints[0].corrected.p50_ms = 4.25;
	m.endpoints[0].corrected.p95_ms = 17;
	m.endpoints[0].corrected.p99_ms = 180;
	m.endpoints[1].corrected.p99_ms = m.endpoints[1].p99_ms;
	return m;
}

static struct buf written(const struct model *m, const char *format,
			  unsigned columns)
{
	struct report_options opt = { .kind = MODEL_LIVE, .columns = columns };

	return golden_report(format, m, &opt);
}

static void check_holds(const struct model *m, const char *format,
			unsigned columns, const char *text)
{
	struct buf out = written(m, format, columns);

	cr_assert_not_null(strstr(out.bytes, text), "no '%s' in\n%s", text,
			   out.bytes);
	buf_free(&out);
}

static void check_lacks(const struct model *m, const char *format,
			unsigned columns, const char *text)
{
	struct buf out = written(m, format, columns);

	cr_assert_null(strstr(out.bytes, text), "'%s' in\n%s", text, out.bytes);
	buf_free(&out);
}

Test(report_requests, text_tells_what_waiting_clients_did_not_ask)
{
	struct model m = closed_loop();

	check_holds(&m, "text", 80, "closed loop: about 12 clients");
	check_holds(&m, "text", 80, "p99 is 180 ms, not 31 ms: POST /api/v1/");
	check_holds(&m, "text", 120, "corrected");
}

Test(report_requests, text_of_an_open_loop_has_nothing_to_correct)
{
	struct model m = *fixture_rag(&one, false);

	m.load.kind = MODEL_LOAD_OPEN;
	check_lacks(&m, "text", 120, "corrected");
	check_lacks(&m, "text", 120, "closed loop");
}

Test(report_requests, markdown_has_the_corrected_beside_the_raw)
{
	struct report_options opt = { .performance = true };
	struct model m = closed_loop();
	struct buf out = golden_report("md", &m, &opt);

	cr_assert_not_null(strstr(out.bytes, "| p99 | p99 corrected |"));
	cr_assert_not_null(strstr(out.bytes, "| 31 ms | 180 ms |"), "%s",
			   out.bytes);
	cr_assert_not_null(strstr(out.bytes, "about 12 clients"));
	buf_free(&out);
}

Test(report_requests, json_has_the_corrected_beside_the_raw)
{
	struct model m = closed_loop();
	struct buf out = written(&m, "json", 0);
	json_t *root = json_loadb(out.bytes, out.len, 0, NULL), *load, *first;

	cr_assert_not_null(root);
	load = json_object_get(json_object_get(root, "traffic"), "load");
	cr_expect_str_eq(json_string_value(json_object_get(load, "kind")),
			 "closed");
	cr_expect_eq(json_number_value(json_object_get(load, "clients")), 12);
	first = json_array_get(json_object_get(root, "endpoints"), 0);
	cr_expect_eq(json_number_value(json_object_get(
			     json_object_get(first, "corrected"), "p99_ms")),
		     180);
	json_decref(root);
	buf_free(&out);
}

/* The endpoint table of @format, with targets. */
static struct buf rated(const char *format, const char *targets)
{
	const struct model *m = fixture_rag(&one, false);
	struct report_options opt = { .kind = MODEL_LIVE,
				      .performance = true,
				      .endpoints = true };
	struct err err = ERR_INIT;
	struct budgets budgets;
	struct checks checks;
	struct buf out;

	budgets_init(&budgets);
	cr_assert_eq(budgets_parse(&budgets, "t.yml", targets, strlen(targets),
				   &err),
		     0, "%s", err.text);
	cr_assert_eq(checks_of(&checks, &budgets, m, &err), 0);
	opt.checks = &checks;
	out = golden_report(format, m, &opt);
	checks_free(&checks);
	budgets_fini(&budgets);
	return out;
}

static void check_rated(const char *format, const char *targets,
			const char *text)
{
	struct buf out = rated(format, targets);

	cr_assert_not_null(strstr(out.bytes, text), "no '%s' in\n%s", text,
			   out.bytes);
	buf_free(&out);
}

#define SEARCH_P95(limit)                             \
	"latency:\n  endpoints:\n    - {route: POST " \
	"/api/v1/retrieval/search, p95_max: " limit "}\n"

Test(report_requests, an_endpoint_within_its_targets_passes)
{
	check_rated("text", SEARCH_P95("50 ms"), "pass  POST ");
	check_rated("csv", SEARCH_P95("50 ms"), ",pass\r\n");
	check_rated("md", SEARCH_P95("50 ms"), " pass |\n");
	check_rated("json", SEARCH_P95("50 ms"), "\"rating\":\"pass\"");
}

Test(report_requests, an_endpoint_beyond_one_of_its_targets_fails)
{
	static const char targets[] = SEARCH_P95(
		"50 ms") "    - {route: POST "
			 "/api/v1/retrieval/search, p50_max: 1 ms}\n";

	check_rated("text", targets, "fail  POST ");
	check_rated("csv", targets, ",fail\r\n");
	check_rated("json", targets, "\"rating\":\"fail\"");
}

Test(report_requests, an_estimate_on_both_sides_of_its_target_is_acceptable)
{
	check_rated("csv",
		    "memory:\n  endpoints:\n    - {route: POST "
		    "/api/v1/retrieval/search, retained_max: 140 KiB}\n",
		    ",acceptable\r\n");
}

Test(report_requests, an_endpoint_without_targets_has_no_rating)
{
	struct buf out = rated("csv", SEARCH_P95("50 ms"));
	const char *chat = strstr(out.bytes, "/api/v1/chat");

	cr_assert_not_null(chat);
	cr_expect_str_eq(strstr(chat, "\r\n") - 1, ",\r\n");
	buf_free(&out);
}
