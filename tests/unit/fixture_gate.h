/*
 * fixture_gate: outcomes of a gate for the tests of their writers, on the
 * models of fixture_model.h.
 *
 * Findings are put together by hand; budgets, checks and the comparison come
 * from the code that makes them; gate_end() gives them back.
 */
#ifndef STRANDLINE_TESTS_FIXTURE_GATE_H
#define STRANDLINE_TESTS_FIXTURE_GATE_H

#include <math.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/fingerprint.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "tests/unit/fixture_model.h"

struct gate_fixture {
	struct fixture model;
	struct model_endpoint endpoints[2];
	struct finding findings[5];
	struct verdict verdict;
	struct budgets budgets;
	struct checks checks;
	struct measure *measures[2];
	struct diff *diff;
	struct gate gate;
};

static inline void gate_end(struct gate_fixture *f)
{
	diff_free(f->diff);
	measure_free(f->measures[0]);
	measure_free(f->measures[1]);
	checks_free(&f->checks);
	budgets_fini(&f->budgets);
	memset(f, 0, sizeof(*f));
}

static inline void gate_begin(struct gate_fixture *f)
{
	static const struct figure unknown = { NAN, NAN, NAN };

	memset(&f->gate, 0, sizeof(f->gate));
	f->verdict = (struct verdict) {
		.class = FINDING_CLEAN,
		.confidence = 0.98,
		.sentence = "clean: 48,000 requests, growth below 2 bytes per "
			    "request",
		.needs = { NAN, NAN },
		.findings = f->findings,
	};
	for (size_t i = 0; i < 5; i++)
		f->findings[i] = (struct finding) {
			.node = MODEL_NONE,
			.bytes_per_request = unknown,
			.bytes_per_second = unknown,
			.evidence = { .p_value = NAN,
				      .late_early = NAN,
				      .survivors = NAN,
				      .unreachable = NAN,
				      .share = NAN },
		};
	budgets_init(&f->budgets);
	f->gate = (struct gate) { .model = &f->model.model,
				  .verdict = &f->verdict,
				  .budgets = &f->budgets,
				  .checks = &f->checks,
				  .tolerance = 0.2 };
}

/* A finding about the @site of the model. */
static inline struct finding *gate_find(struct gate_fixture *f,
					enum finding_class class,
					const char *sentence, int site)
{
	const struct model *m = &f->model.model;
	struct finding *one = &f->findings[f->verdict.finding_count++];

	one->class = class;
	one->sentence = sentence;
	one->confidence = 0.97;
	if (site >= 0) {
		const struct model_frame *frame;

		one->node = m->sites[site].node;
		frame = &m->frames[m->nodes[one->node].frame];
		one->function = frame->function;
		one->file = frame->file;
		one->line = frame->line;
		one->module = frame->module;
	}
	fingerprint(one->fingerprint, m, one);
	if (class < f->verdict.class) {
		f->verdict.class = class;
		f->verdict.sentence = sentence;
	}
	return one;
}

static inline void gate_hold(struct gate_fixture *f, const char *text)
{
	struct err err = ERR_INIT;

	f->gate.config = "strandline.yml";
	cr_assert_eq(budgets_parse(&f->budgets, "strandline.yml", text,
				   strlen(text), &err),
		     0, "%s", err.text);
	cr_assert_eq(checks_of(&f->checks, &f->budgets, &f->model.model, &err),
		     0);
}

static inline struct measure *gate_measure(const struct model *m)
{
	struct err err = ERR_INIT;
	struct measure *got;

	cr_assert_eq(measure_of(&got, m, &err), 0);
	return got;
}

/* Against itself as it was: less memory, one site smaller, one not there. */
static inline void gate_compare(struct gate_fixture *f)
{
	static struct fixture base;
	struct model_endpoint before = f->endpoints[0];
	const struct measure *a, *b;
	struct err err = ERR_INIT;
	struct model *m;

	fixture_rag(&base, false);
	m = &base.model;
	m->path = "runs/monday.strand";
	m->requests = f->model.model.requests;
	before.p95_ms = 120;
	before.retained_bytes_per_request = 0;
	m->endpoints = &before;
	m->endpoint_count = f->model.model.endpoint_count;
	m->rss_trend.peak = m->rss_trend.final = 250 * MIB;
	m->rss_trend.volatility = 0;
	base.sites[0].live = fixture_estimate(20, 160);
	base.sites[0].allocated = fixture_estimate(24, 900);
	base.sites[7].live = (struct estimate) { 0 };
	a = f->measures[0] = gate_measure(m);
	b = f->measures[1] = gate_measure(&f->model.model);
	cr_assert_eq(diff_of(&f->diff, &a, 1, &b, 1, &err), 0, "%s", err.text);
	f->gate.diff = f->diff;
}

/* A leak, a suppressed growth, retention; budgets of all outcomes; a worse
 * peak. */
static inline const struct gate *gate_failing(struct gate_fixture *f)
{
	struct finding *one;
	struct model *m;

	fixture_rag(&f->model, false);
	m = &f->model.model;
	m->requests = 11500;
	m->endpoints = f->endpoints;
	m->endpoint_count = 1;
	f->endpoints[0] = (struct model_endpoint) {
		.method = "POST",
		.route = "/api/v1/search",
		.count = 11500,
		.errors = 2,
		.p50_ms = 20,
		.p95_ms = 310,
		.p99_ms = 420,
		.ttfb_p50_ms = NAN,
		.ttfb_p95_ms = NAN,
		.alloc_bytes_per_request = 400000,
		.retained_bytes_per_request = 10240,
	};
	gate_begin(f);
	one = gate_find(f, FINDING_LEAK,
			"leaks 10.0 KiB \302\261 300 B per request in "
			"rag::Index::add(float const*, long) (index.cpp:120)",
			1);
	one->endpoint = "POST /api/v1/search";
	one->bytes_per_request = (struct figure) { 10240, 9940, 10540 };
	one->evidence.requests = 11000;
	one->evidence.definite = true;
	one = gate_find(f, FINDING_GROWTH,
			"grows by 900 bytes per request in remember "
			"(sessions.py:17)",
			3);
	one->suppressed = true;
	gate_find(f, FINDING_RETENTION,
		  "RSS grew 90 MiB and the live heap did not: glibc keeps it",
		  -1);
	gate_hold(f, "memory: {rss_max: 256 MiB}\n"
		     "latency:\n"
		     "  endpoints:\n"
		     "    - route: POST /api/v1/search\n"
		     "      p50_max: 50ms\n"
		     "      ttfb_p95_max: 100ms\n"
		     "threads: {max: 64}\n");
	gate_compare(f);
	gate_settle(&f->gate);
	return &f->gate;
}

static inline const struct gate *gate_clean(struct gate_fixture *f)
{
	fixture_rag(&f->model, false);
	f->model.model.requests = 48000;
	f->model.model.endpoint_count = 0;
	gate_begin(f);
	gate_settle(&f->gate);
	return &f->gate;
}

static inline const struct gate *gate_too_short(struct gate_fixture *f)
{
	fixture_empty(&f->model);
	gate_begin(f);
	f->verdict.class = FINDING_INCONCLUSIVE;
	f->verdict.sentence = "inconclusive: 3.0 s is too short to see a "
			      "trend; needs about 30 more seconds";
	f->verdict.needs.seconds = 30;
	gate_settle(&f->gate);
	return &f->gate;
}

/* Names that try to break out of every format. */
static inline const struct gate *gate_hostile(struct gate_fixture *f)
{
	struct finding *one;

	fixture_hostile(&f->model);
	gate_begin(f);
	one = gate_find(
		f, FINDING_LEAK,
		"leaks in <script>|@everyone`x`\n::error::%0A ]]>\033[2J", 0);
	one->file = "src/a,b:c \"d\".c";
	one->line = 7;
	f->model.model.requests = 10;
	gate_hold(f, "latency:\n"
		     "  endpoints:\n"
		     "    - {route: '/<b>|x`y', p50_max: 1ms}\n");
	gate_settle(&f->gate);
	return &f->gate;
}

#endif
