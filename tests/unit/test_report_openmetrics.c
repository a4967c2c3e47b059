/*
 * OpenMetrics.  That readers take it is held by
 * tests/e2e/test_report_formats.py on the same golden files.
 */
#include <criterion/criterion.h>

#include "profiler/analysis/verdict.h"
#include "reports/metrics.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

static struct verdict growing(void)
{
	static struct finding found = {
		.class = FINDING_LEAK,
		.confidence = 0.99,
		.sentence = "It leaks.",
		.function = "rag::Index::add(float const*, long)",
		.file = "/srv/rag/native/index.cpp",
		.node = MODEL_NONE,
		.endpoint = "POST /api/v1/retrieval/search",
		.bytes_per_request = { 151552, 131072, 172032 },
		.bytes_per_second = { 3460300, 3300000, 3600000 },
		.fingerprint = "0123456789abcdef",
	};

	return (struct verdict) { .class = FINDING_LEAK,
				  .confidence = 0.99,
				  .sentence = "It leaks.",
				  .findings = &found,
				  .finding_count = 1 };
}

static bool says(const struct buf *out, const char *line)
{
	return strstr(out->bytes, line) != NULL;
}

Test(report_openmetrics, a_rag_server_is_written_as_agreed)
{
	struct verdict v = growing();
	struct report_options opt = { .kind = MODEL_LIVE, .verdict = &v };

	golden_check_report("rag.openmetrics", "openmetrics",
			    fixture_rag(&one, false), &opt);
}

Test(report_openmetrics, hostile_names_stay_inside_their_labels)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("hostile.openmetrics", "openmetrics",
			    fixture_hostile(&one), &opt);
}

Test(report_openmetrics, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_equal("openmetrics", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_openmetrics, an_empty_recording_ends_as_it_must)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	struct buf out =
		golden_report("openmetrics", fixture_empty(&one), &opt);

	cr_assert_str_eq(out.bytes + out.len - 6, "# EOF\n");
	cr_assert_not(says(&out, "process_resident_memory_bytes"));
	cr_assert_not(says(&out, "strandline_verdict"));
	buf_free(&out);
}

Test(report_openmetrics, the_verdict_is_one_of_its_states)
{
	struct verdict v = growing();
	struct report_options opt = { .kind = MODEL_LIVE, .verdict = &v };
	struct buf out =
		golden_report("openmetrics", fixture_empty(&one), &opt);

	cr_assert(says(&out, "# TYPE strandline_verdict stateset\n"));
	cr_assert(says(&out,
		       "strandline_verdict{strandline_verdict=\"leak\"} 1\n"));
	cr_assert(says(&out,
		       "strandline_verdict{strandline_verdict=\"clean\"} 0\n"));
	buf_free(&out);
}

Test(report_openmetrics, only_as_many_sites_as_asked_for)
{
	struct report_options opt = { .kind = MODEL_LIVE, .top = 1 };
	struct buf out =
		golden_report("openmetrics", fixture_rag(&one, false), &opt);
	const char *first = strstr(out.bytes, "strandline_site_live_bytes{");

	cr_assert_not_null(first);
	cr_assert_null(strstr(first + 1, "strandline_site_live_bytes{"));
	buf_free(&out);
}

Test(report_openmetrics, equal_series_are_written_once)
{
	struct buf out = BUF_INIT;
	struct metrics x;

	cr_assert_eq(metrics_init(&x, &out, METRICS_OPENMETRICS), 0);
	metrics_family(&x, METRICS_COUNTER, "a_bytes", "A.");
	metrics_label(&x, "l", "\xff");
	metrics_value(&x, 1);
	metrics_label(&x, "l", "\xfe");
	metrics_value(&x, 2);
	cr_assert_eq(metrics_fini(&x), 0);
	cr_assert_str_eq(out.bytes, "# TYPE a_bytes counter\n"
				    "# UNIT a_bytes bytes\n"
				    "# HELP a_bytes A.\n"
				    "a_bytes_total{l=\"\xef\xbf\xbd\"} 1\n"
				    "# EOF\n");
	buf_free(&out);
}

Test(report_openmetrics, what_is_not_a_number_leaves_no_trace)
{
	struct buf out = BUF_INIT;
	struct metrics x;

	cr_assert_eq(metrics_init(&x, &out, METRICS_OPENMETRICS), 0);
	metrics_family(&x, METRICS_GAUGE, "a", "A.");
	metrics_label(&x, "l", "gone");
	metrics_value(&x, NAN);
	metrics_family(&x, METRICS_GAUGE, "b", "B.");
	metrics_value(&x, 2.5);
	cr_assert_eq(metrics_fini(&x), 0);
	cr_assert_str_eq(out.bytes, "# TYPE b gauge\n# HELP b B.\nb 2.5\n"
				    "# EOF\n");
	buf_free(&out);
}

Test(report_openmetrics, a_family_taken_up_again_stays_in_one_place)
{
	struct buf out = BUF_INIT;
	struct metrics x;

	cr_assert_eq(metrics_init(&x, &out, METRICS_PROMETHEUS), 0);
	metrics_common(&x, "recording", "a");
	metrics_family(&x, METRICS_GAUGE, "fds", "F.");
	metrics_value(&x, 1);
	metrics_family(&x, METRICS_GAUGE, "threads", "T.");
	metrics_value(&x, 2);
	metrics_common(&x, "recording", "b");
	metrics_family(&x, METRICS_GAUGE, "fds", "F.");
	metrics_value(&x, 3);
	cr_assert_eq(metrics_fini(&x), 0);
	cr_assert_str_eq(out.bytes, "# TYPE fds gauge\n# HELP fds F.\n"
				    "fds{recording=\"a\"} 1\n"
				    "fds{recording=\"b\"} 3\n"
				    "# TYPE threads gauge\n"
				    "# HELP threads T.\n"
				    "threads{recording=\"a\"} 2\n");
	buf_free(&out);
}

Test(report_openmetrics, the_older_format_knows_fewer_types)
{
	struct buf out = BUF_INIT;
	struct metrics x;

	cr_assert_eq(metrics_init(&x, &out, METRICS_PROMETHEUS), 0);
	metrics_family(&x, METRICS_COUNTER, "a_bytes", "A.");
	metrics_value(&x, 1);
	metrics_family(&x, METRICS_STATESET, "b", "B.");
	metrics_label(&x, "b", "yes");
	metrics_value(&x, 1);
	cr_assert_eq(metrics_fini(&x), 0);
	cr_assert_str_eq(out.bytes, "# TYPE a_bytes_total counter\n"
				    "# HELP a_bytes_total A.\n"
				    "a_bytes_total 1\n"
				    "# TYPE b gauge\n# HELP b B.\n"
				    "b{b=\"yes\"} 1\n");
	buf_free(&out);
}

Test(report_openmetrics, a_histogram_has_bounds_as_readers_want_them)
{
	static const double bounds[] = { 0.0005, 0.25, 10 };
	static const uint64_t within[] = { 0, 3, 5 };
	const struct metrics_histogram h = { bounds, within, 3, 6, 41.5 };
	struct buf out = BUF_INIT;
	struct metrics x;

	cr_assert_eq(metrics_init(&x, &out, METRICS_OPENMETRICS), 0);
	metrics_family(&x, METRICS_HISTOGRAM, "h", "H.");
	metrics_label(&x, "l", "v");
	metrics_histogram(&x, &h);
	cr_assert_eq(metrics_fini(&x), 0);
	cr_assert_str_eq(out.bytes,
			 "# TYPE h histogram\n# HELP h H.\n"
			 "h_bucket{l=\"v\",le=\"0.0005\"} 0\n"
			 "h_bucket{l=\"v\",le=\"0.25\"} 3\n"
			 "h_bucket{l=\"v\",le=\"10.0\"} 5\n"
			 "h_bucket{l=\"v\",le=\"+Inf\"} 6\n"
			 "h_sum{l=\"v\"} 41.5\nh_count{l=\"v\"} 6\n# EOF\n");
	buf_free(&out);
}

Test(report_openmetrics, blocks_that_samples_stand_for_are_counted)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	const struct model *m = fixture_rag(&one, false);
	struct buf out;

	one.model.totals.allocated.count = 5000;
	one.model.totals.live.count = 1000;
	one.model.totals.allocations = 50;
	one.model.totals.releases = 40;
	out = golden_report("openmetrics", m, &opt);
	cr_expect(says(&out, "strandline_heap_allocations_total 5000\n"));
	cr_expect(says(&out, "strandline_heap_releases_total 4000\n"));
	buf_free(&out);
	one.model.mean_bytes = 0;
	out = golden_report("openmetrics", m, &opt);
	cr_expect(says(&out, "strandline_heap_allocations_total 50\n"));
	cr_expect(says(&out, "strandline_heap_releases_total 40\n"));
	buf_free(&out);
}
