/* Which requests a function that was asked for is given. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "profiler/latency/histo.h"
#include "profiler/model/build.h"

#define MS 1000000ULL

enum { CHAT, SEARCH, HEALTH, COUNT };

static const char *const texts[COUNT] = { "POST /chat", "GET /search/{}",
					  "GET /health" };
static const struct trace_handler table[] = {
	{ "POST /chat", "chat", "/srv/app.py" },
	{ "GET /search/{word}", "search", "/srv/app.py" },
	{ "GET /admin", "admin", "/srv/app.py" },
};

static struct {
	struct model model;
	struct model_endpoint endpoints[COUNT];
	struct model_site site;
	struct model_charge charges[COUNT];
	struct trace_image image;
	struct trace_route routes[COUNT];
	struct fold_route counts[COUNT];
	struct trace_view view;
} one;

/* Of endpoint n there are 10 + n requests, each of 5 + n ms. */
static void make(void)
{
	one.model.endpoints = one.endpoints;
	one.model.endpoint_count = COUNT;
	one.model.sites = &one.site;
	one.model.site_count = 1;
	one.site.charges = one.charges;
	for (int n = 0; n < COUNT; n++) {
		const char *space = strchr(texts[n], ' ');
		struct histo *took = histo_new();

		one.endpoints[n].method =
			strndup(texts[n], (size_t)(space - texts[n]));
		one.endpoints[n].route = space + 1;
		one.endpoints[n].count = 10 + (uint64_t)n;
		one.routes[n].id = (uint32_t)n + 1;
		one.routes[n].text = texts[n];
		one.counts[n].route = (uint32_t)n + 1;
		one.counts[n].took = took;
		histo_record_n(took, (5 + (uint64_t)n) * MS, 10 + (uint64_t)n);
	}
	one.image.routes = one.routes;
	one.image.route_count = COUNT;
	one.image.result.routes = one.counts;
	one.image.result.route_count = COUNT;
	one.view.images = &one.image;
	one.view.image_count = 1;
}

static void charge(int endpoint, double bytes)
{
	one.charges[one.site.charge_count++] = (struct model_charge) {
		.route = texts[endpoint],
		.allocated = bytes,
	};
	one.site.allocated.bytes += bytes;
}

static struct model_handler asked(const char *name, bool python)
{
	static const bool below[] = { true };
	struct model_handler h = {
		.name = name,
		.python = python,
		.alloc_bytes = one.site.allocated.bytes,
		.alloc_bytes_per_request = NAN,
	};

	cr_assert_eq(build_answers(&one.model, &one.view, below, &h), 0);
	return h;
}

TestSuite(answers, .init = make);

Test(answers, a_route_s_function_has_the_requests_of_its_route)
{
	struct model_handler h;

	one.view.handlers = table;
	one.view.handler_count = 3;
	charge(CHAT, 1000);
	h = asked("app.chat", true);
	cr_expect_eq(h.answers, MODEL_ANSWERS_ROUTE);
	cr_expect_eq(h.requests, 10);
	cr_expect_eq(h.endpoint_count, 1);
	cr_expect_float_eq(h.p50_ms, 5, 0.01);
	cr_expect_float_eq(h.p99_ms, 5, 0.01);
	cr_expect_float_eq(h.alloc_bytes_per_request, 100, 1e-6);
	cr_expect_str_eq(h.route, "/chat");
}

Test(answers, what_others_are_charged_below_it_is_not_its_request)
{
	one.view.handlers = table;
	one.view.handler_count = 3;
	charge(CHAT, 10);
	charge(SEARCH, 1000);
	cr_expect_eq(asked("app.search", true).requests, 11);
}

Test(answers, a_route_that_nobody_asked_for_has_none)
{
	struct model_handler h;

	one.view.handlers = table;
	one.view.handler_count = 3;
	h = asked("app.admin", true);
	cr_expect_eq(h.answers, MODEL_ANSWERS_ROUTE);
	cr_expect_eq(h.requests, 0);
	cr_expect(isnan(h.p50_ms));
}

Test(answers, others_have_the_requests_that_their_stacks_are_charged_to)
{
	struct model_handler h;

	one.view.handlers = table;
	one.view.handler_count = 3;
	charge(CHAT, 1000);
	charge(SEARCH, 1100);
	h = asked("index.Index.search", true);
	cr_expect_eq(h.answers, MODEL_ANSWERS_STACK);
	cr_expect_eq(h.requests, 21);
	cr_expect_eq(h.endpoint_count, 2);
	cr_expect_float_eq(h.p50_ms, 6, 0.01);
	cr_expect_float_eq(h.max_ms, 6, 0.01);
	cr_expect_float_eq(h.alloc_bytes_per_request, 100, 1e-6);
	cr_expect_null(h.route);
}

Test(answers, a_native_one_has_them_by_its_stacks_alone)
{
	one.view.handlers = table;
	one.view.handler_count = 3;
	charge(SEARCH, 50);
	cr_expect_eq(asked("chat", false).answers, MODEL_ANSWERS_STACK);
	cr_expect_eq(asked("chat", false).requests, 11);
}

Test(answers, a_stray_charge_is_no_endpoint)
{
	charge(CHAT, 100000);
	charge(HEALTH, 16);
	cr_expect_eq(asked("serve_chat", false).endpoint_count, 1);
}

Test(answers, what_is_charged_to_nothing_is_not_known)
{
	struct model_handler h = asked("app.other", true);

	cr_expect_eq(h.answers, MODEL_ANSWERS_UNKNOWN);
	cr_expect(isnan(h.p95_ms));
	cr_expect(isnan(h.alloc_bytes_per_request));
}
