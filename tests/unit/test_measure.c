/* The figures of one recording that another is held against. */
#include "profiler/analysis/measure.h"

#include <criterion/criterion.h>
#include <math.h>

#include "profiler/base/err.h"
#include "tests/unit/fixture_model.h"

static struct fixture fixture;

static struct measure *measured(const struct model *m)
{
	struct err err = ERR_INIT;
	struct measure *got;

	cr_assert_eq(measure_of(&got, m, &err), 0, "%s", err.text);
	return got;
}

static const struct metric *metric_of(const struct measure *m,
				      enum metric_what what, const char *name)
{
	const struct metric *metric;

	vec_foreach (&m->metrics, metric) {
		if (metric->what == what &&
		    strcmp(m->subjects.at[metric->subject].name, name) == 0)
			return metric;
	}
	return NULL;
}

Test(measure, the_server_has_its_levels_and_its_flows)
{
	struct measure *m = measured(fixture_rag(&fixture, false));

	cr_assert_str_eq(m->program, "python uvicorn app.main:app");
	cr_assert_str_eq(m->allocator, "glibc");
	cr_assert_eq(metric_of(m, METRIC_RSS_PEAK, "")->value, 390 * MIB);
	cr_assert_eq(metric_of(m, METRIC_BEYOND_LIVE, "")->value, 181 * MIB);
	cr_assert_eq(metric_of(m, METRIC_THREADS, "")->value, 14);
	/* 60 s of 600 ms and 50 ms each */
	cr_assert_float_eq(metric_of(m, METRIC_CPU, "")->value, 39000, 1e-6);
	cr_assert_gt(metric_of(m, METRIC_ALLOCATED, "")->variance, 0);
	measure_free(m);
}

Test(measure, sites_are_told_by_who_wanted_the_memory)
{
	struct measure *m = measured(fixture_rag(&fixture, false));
	const struct metric *site =
		metric_of(m, METRIC_SITE_LIVE, "blas_memory_alloc");

	cr_assert_eq(site->value, 4 * MIB);
	cr_assert_str_eq(m->subjects.at[site->subject].module,
			 "/usr/lib/x86_64-linux-gnu/libopenblas.so.0");
	measure_free(m);
}

Test(measure, sites_of_one_fingerprint_are_one)
{
	static const int8_t a[] = { 0, 1, FIXTURE_END_FRAMES };
	static const int8_t b[] = { 0, 2, FIXTURE_END_FRAMES };
	struct measure *m;

	fixture_begin(&fixture);
	fixture.frames[0] =
		(struct model_frame) { .function = "main", .module = "shop" };
	fixture.frames[1] = (struct model_frame) { .function = "parse",
						   .module = "shop",
						   .line = 88 };
	fixture.frames[2] = fixture.frames[1];
	fixture.frames[2].line = 99;
	fixture.model.frame_count = 3;
	fixture_site(&fixture, a)->live.bytes = 1000;
	fixture_site(&fixture, b)->live.bytes = 24;
	m = measured(&fixture.model);
	cr_assert_eq(metric_of(m, METRIC_SITE_LIVE, "parse")->value, 1024);
	cr_assert_eq(m->subjects.count, 2);
	measure_free(m);
}

Test(measure, a_latency_is_as_sure_as_its_requests_are_many)
{
	struct model_endpoint e = { .method = "GET",
				    .route = "/item",
				    .count = 10000,
				    .p50_ms = 10,
				    .p95_ms = 19,
				    .p99_ms = 20,
				    .ttfb_p50_ms = NAN,
				    .ttfb_p95_ms = NAN,
				    .alloc_bytes_per_request = NAN,
				    .retained_bytes_per_request = NAN };
	struct model model = *fixture_rag(&fixture, false);
	struct measure *m;

	model.endpoints = &e;
	model.endpoint_count = 1;
	m = measured(&model);
	/* Half of 10,000 below it, 0.05 of them for each millisecond. */
	cr_assert_float_eq(
		sqrt(metric_of(m, METRIC_P50, "GET /item")->variance), 0.1,
		1e-9);
	cr_assert_eq(metric_of(m, METRIC_ERRORS, "GET /item")->value, 0);
	cr_assert_null(metric_of(m, METRIC_TTFB_P50, "GET /item"));
	measure_free(m);
	e.count = 50;
	m = measured(&model);
	cr_assert_null(metric_of(m, METRIC_P99, "GET /item"));
	measure_free(m);
}

Test(measure, an_empty_recording_has_nothing_to_compare)
{
	struct measure *m = measured(fixture_empty(&fixture));

	cr_assert_eq(m->metrics.count, 0);
	measure_free(m);
}
