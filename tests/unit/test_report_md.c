/* Markdown, for a merge request. */
#include <criterion/criterion.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/verdict.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;
static const struct report_options live = { .kind = MODEL_LIVE };

Test(report_md, a_rag_server_is_written_as_agreed)
{
	golden_check_report("rag.md", "md", fixture_rag(&one, false), &live);
}

Test(report_md, hostile_names_start_nothing)
{
	golden_check_report("hostile.md", "md", fixture_hostile(&one), &live);
}

Test(report_md, what_was_not_seen_is_called_not_measured)
{
	golden_check_report("empty.md", "md", fixture_empty(&one), &live);
}

Test(report_md, insertion_order_does_not_show)
{
	golden_check_equal("md", fixture_rag(&one, false),
			   fixture_rag(&two, true), &live);
}

Test(report_md, a_site_more_than_asked_for_is_counted)
{
	struct report_options opt = { .kind = MODEL_LIVE, .top = 2 };
	struct buf out = golden_report("md", fixture_rag(&one, false), &opt);

	cr_assert_not_null(strstr(out.bytes, "\nand 7 more\n"));
	buf_free(&out);
}

static const struct report_options performance = { .kind = MODEL_LIVE,
						   .performance = true };

Test(report_md, a_performance_report_is_written_as_agreed)
{
	golden_check_report("rag_performance.md", "md",
			    fixture_rag(&one, false), &performance);
}

Test(report_md, a_performance_report_of_nothing_measures_nothing)
{
	golden_check_report("empty_performance.md", "md", fixture_empty(&one),
			    &performance);
}

static void check_row(const struct model *m, const struct report_options *opt,
		      const char *row)
{
	struct buf out = golden_report("md", m, opt);

	cr_assert_not_null(strstr(out.bytes, row), "%s\nis not in\n%s", row,
			   out.bytes);
	buf_free(&out);
}

Test(report_md, a_hotspot_has_the_cpu_time_of_what_it_calls)
{
	const struct model *m = fixture_rag(&one, false);

	one.sites[1].cpu = 30; /* ends at rag::Index::add() */
	one.sites[0].cpu = 20; /* and what it calls */
	one.sites[3].cpu = 50;
	check_row(m, &performance,
		  "| `rag::Index::add(float const*, long)` | "
		  "/srv/rag/native/index.cpp:120 in libragindex.so | "
		  "22.5 MiB | 10.7 % | 50.0 % | allocates 26.1 KiB per "
		  "request |");
}

Test(report_md, hotspots_are_those_by_cpu_time_too)
{
	const struct model *m = fixture_rag(&one, false);

	one.sites[1].cpu = 3e9;
	one.sites[3].cpu = 1e9;
	check_row(m, &performance,
		  "| time on a CPU | share | allocated | impact |\n"
		  "|---|---|---:|---:|---:|---|\n"
		  "| `rag::Index::add(float const*, long)` | "
		  "/srv/rag/native/index.cpp:120 in libragindex.so | "
		  "3.0 s | 75.0 % |");
	check_row(m, &performance,
		  "- 75 % of the CPU time is spent in rag::Index::add(float "
		  "const\\*, long), /srv/rag/native/index.cpp:120 in "
		  "libragindex.so.\n");
	check_row(m, &performance, "1. Make the function that takes most CPU");
}

Test(report_md, cpu_time_that_nobody_sampled_is_not_measured)
{
	check_row(fixture_rag(&one, false), &performance,
		  "By CPU time:\n\nNot measured; `strandline run --probe cpu` "
		  "samples it.\n");
}

Test(report_md, a_bottleneck_is_told_where_most_requests_meet_it)
{
	const struct model *m = fixture_rag(&one, false);

	one.model.endpoints[0].queue_p95_ms = one.model.endpoints[0].p95_ms / 2;
	one.model.endpoints[1].queue_p95_ms = one.model.endpoints[1].p95_ms;
	one.model.endpoints[0].count = 100000000;
	check_row(m, &performance,
		  "- Requests to POST /api/v1/retrieval/search wait for");
}

Test(report_md, time_is_told_as_time)
{
	struct report_options opt = { .kind = MODEL_CPU };
	const struct model *m = fixture_rag(&one, false);

	one.sites[0].cpu = 2.5e9;
	check_row(m, &opt, "| 2.5 s | 100.0 % |");
}

Test(report_md, a_hotspot_that_leaks_says_so)
{
	static struct finding found = { .class = FINDING_LEAK,
					.sentence = "leaks",
					.function = "remember" };
	const struct verdict v = { .class = FINDING_LEAK,
				   .sentence = "leaks",
				   .findings = &found,
				   .finding_count = 1 };
	struct report_options opt = performance;

	opt.verdict = &v;
	check_row(fixture_rag(&one, false), &opt,
		  "15.0 MiB | 7.1 % | not measured | leak: see the verdict |");
}

Test(report_md, the_machine_is_told_where_it_is_known)
{
	const struct model *m = fixture_rag(&one, false);

	one.model.processor = "Fast | one";
	one.model.processors = 8;
	one.model.memory_bytes = 16ULL << 30;
	check_row(m, &performance,
		  "| processor | Fast \\| one |\n| processors | 8 |\n"
		  "| memory | 16.0 GiB |\n");
}

static void check_results(const char *config, const char *row)
{
	struct report_options opt = performance;
	struct err err = ERR_INIT;
	struct budgets budgets;
	struct checks checks;
	struct buf out;

	fixture_rag(&one, false);
	budgets_init(&budgets);
	cr_assert_eq(budgets_parse(&budgets, "strandline.yml", config,
				   strlen(config), &err),
		     0, "%s", err.text);
	cr_assert_eq(checks_of(&checks, &budgets, &one.model, &err), 0);
	opt.checks = &checks;
	out = golden_report("md", &one.model, &opt);
	cr_assert_not_null(strstr(out.bytes, row), "%s", out.bytes);
	buf_free(&out);
	checks_free(&checks);
	budgets_fini(&budgets);
}

Test(report_md, results_stand_against_their_targets)
{
	check_results("memory:\n  rss_max: 100MiB\n",
		      "| memory.rss\\_max | fail | ");
	check_results("memory:\n  rss_max: 1GiB\n",
		      "| memory.rss\\_max | pass | ");
}

Test(report_md, a_target_that_is_missed_is_something_to_do)
{
	check_results("memory:\n  rss_max: 100MiB\n",
		      "\n1. Meet memory.rss\\_max: peak RSS is ");
}

Test(report_md, a_queue_that_a_few_requests_saw_is_no_bottleneck)
{
	struct buf out;

	fixture_rag(&one, false);
	one.model.endpoints[1].queue_p95_ms = 60;
	out = golden_report("md", &one.model, &performance);
	cr_assert_not_null(strstr(out.bytes, "wait for their handler"));
	buf_free(&out);
	one.model.endpoints[1].count = 19;
	out = golden_report("md", &one.model, &performance);
	cr_assert_null(strstr(out.bytes, "wait for their handler"));
	buf_free(&out);
}
