/*
 * strandline.yml: what is taken, and that each mistake is one sentence with
 * its line and column.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/base/err.h"

static const char whole_file[] =
	"# what the shop may take\n"
	"memory:\n"
	"  rss_max: 512 MiB\n"
	"  growth_per_request_max: 64 B\n"
	"  retained_after_idle_max: 20MB\n"
	"  endpoints:\n"
	"    - route: POST /api/v1/chat\n"
	"      alloc_max: 2 MiB\n"
	"      retained_max: 0\n"
	"latency:\n"
	"  endpoints:\n"
	"    - route: '*'\n"
	"      p50_max: 80ms\n"
	"      p95_max: 0.25s\n"
	"      p99_max: 1 s\n"
	"    - route: POST /api/v1/chat\n"
	"      ttfb_p50_max: 50ms\n"
	"      ttfb_p95_max: 100ms\n"
	"      error_rate_max: 0.5 %\n"
	"      throughput_min: 100/s\n"
	"threads: { max: 64 }\n"
	"fds: { max: 256 }\n"
	"leaks:\n"
	"  fail: [leak, growth, retention]\n"
	"  suppressions:\n"
	"    - leak:libfoo.so\n"
	"    - leak:^parse_*$\n"
	"  suppression_files: [lsan.supp, more/b.supp]\n"
	"missing: fail\n"
	"inconclusive: ignore\n";

static struct budgets parsed(const char *text)
{
	struct err err = ERR_INIT;
	struct budgets b;

	budgets_init(&b);
	cr_assert_eq(budgets_parse(&b, "strandline.yml", text, strlen(text),
				   &err),
		     0, "%s", err.text);
	return b;
}

static void check_refused(const char *text, const char *sentence)
{
	struct err err = ERR_INIT;
	struct budgets b;

	budgets_init(&b);
	cr_assert_eq(budgets_parse(&b, "strandline.yml", text, strlen(text),
				   &err),
		     -EINVAL);
	cr_assert_str_eq(err.text, sentence);
	budgets_fini(&b);
}

/* The first budget of that kind. */
static const struct budget *of_kind(const struct budgets *b,
				    enum budget_what what)
{
	const struct budget *budget;

	vec_foreach (&b->list, budget) {
		if (budget->what == what)
			return budget;
	}
	cr_assert_fail("no budget %s", budget_kinds[what].name);
	return NULL;
}

Test(budget_file, every_limit_becomes_a_budget)
{
	struct budgets b = parsed(whole_file);

	cr_assert_eq(b.list.count, 14);
	cr_assert_eq(of_kind(&b, BUDGET_RSS)->limit, 512.0 * 1024 * 1024);
	cr_assert_eq(of_kind(&b, BUDGET_GROWTH)->limit, 64);
	cr_assert_eq(of_kind(&b, BUDGET_IDLE)->limit, 20e6);
	cr_assert_eq(of_kind(&b, BUDGET_ALLOC)->limit, 2.0 * 1024 * 1024);
	cr_assert_eq(of_kind(&b, BUDGET_RETAINED)->limit, 0);
	cr_assert_eq(of_kind(&b, BUDGET_P50)->limit, 80);
	cr_assert_eq(of_kind(&b, BUDGET_P95)->limit, 250);
	cr_assert_eq(of_kind(&b, BUDGET_P99)->limit, 1000);
	cr_assert_eq(of_kind(&b, BUDGET_TTFB_P50)->limit, 50);
	cr_assert_eq(of_kind(&b, BUDGET_TTFB_P95)->limit, 100);
	cr_assert_float_eq(of_kind(&b, BUDGET_ERRORS)->limit, 0.005, 1e-12);
	cr_assert_eq(of_kind(&b, BUDGET_THROUGHPUT)->limit, 100);
	cr_assert_eq(of_kind(&b, BUDGET_THREADS)->limit, 64);
	cr_assert_eq(of_kind(&b, BUDGET_FDS)->limit, 256);
	budgets_fini(&b);
}

Test(budget_file, a_budget_knows_its_route_and_its_line)
{
	struct budgets b = parsed(whole_file);

	cr_assert_null(of_kind(&b, BUDGET_RSS)->route);
	cr_assert_eq(of_kind(&b, BUDGET_RSS)->line, 3);
	cr_assert_str_eq(of_kind(&b, BUDGET_P50)->route, "*");
	cr_assert_str_eq(of_kind(&b, BUDGET_ERRORS)->route,
			 "POST /api/v1/chat");
	cr_assert_eq(of_kind(&b, BUDGET_ERRORS)->line, 19);
	budgets_fini(&b);
}

Test(budget_file, classes_that_fail_and_suppressions_are_read)
{
	struct budgets b = parsed(whole_file);

	cr_assert_eq(b.fails, 1u << FINDING_LEAK | 1u << FINDING_GROWTH |
				      1u << FINDING_RETENTION);
	cr_assert_eq(b.suppressions.list.count, 2);
	cr_assert_str_eq(b.suppressions.list.at[1].pattern, "^parse_*$");
	cr_assert_str_eq(b.suppressions.list.at[1].origin, "strandline.yml:27");
	cr_assert_eq(b.suppression_files.count, 2);
	cr_assert_str_eq(b.suppression_files.at[1], "more/b.supp");
	cr_assert(b.missing_fails);
	cr_assert(b.inconclusive_passes);
	budgets_fini(&b);
}

Test(budget_file, what_is_not_said_keeps_its_default)
{
	struct budgets b = parsed("fds: {max: 3}\n");

	cr_assert_eq(b.fails, 1u << FINDING_LEAK | 1u << FINDING_GROWTH |
				      1u << FINDING_MAPPINGS |
				      1u << FINDING_THREADS |
				      1u << FINDING_FDS);
	cr_assert_not(b.missing_fails);
	cr_assert_not(b.inconclusive_passes);
	budgets_fini(&b);
}

Test(budget_file, no_class_may_fail_when_the_list_is_empty)
{
	struct budgets b = parsed("leaks: {fail: []}\n");

	cr_assert_eq(b.fails, 0);
	budgets_fini(&b);
}

Test(budget_file, a_file_of_comments_has_no_budgets)
{
	struct budgets b = parsed("# nothing yet\n\n---\n");

	cr_assert_eq(b.list.count, 0);
	budgets_fini(&b);
	b = parsed("");
	cr_assert_eq(b.list.count, 0);
	budgets_fini(&b);
}

Test(budget_file, an_unknown_key_is_refused_where_it_stands)
{
	check_refused("memory:\n  rss_max: 3 MiB\n  growth_per_request: 1\n",
		      "strandline.yml:3:3: unknown key 'growth_per_request' "
		      "(did you mean 'growth_per_request_max'?)");
	check_refused("memroy: {}\n", "strandline.yml:1:1: unknown key "
				      "'memroy' (did you mean 'memory'?)");
	check_refused("colour: red\n",
		      "strandline.yml:1:1: unknown key 'colour'");
}

Test(budget_file, a_size_of_another_unit_is_refused_where_it_stands)
{
	struct err err = ERR_INIT;
	struct budgets b;
	const char *text = "memory:\n  rss_max: 2 potatoes\n";

	budgets_init(&b);
	cr_assert_eq(budgets_parse(&b, "a.yml", text, strlen(text), &err),
		     -EINVAL);
	cr_assert_eq(strncmp(err.text, "a.yml:2:12: '2 potatoes' ", 25), 0,
		     "%s", err.text);
	budgets_fini(&b);
}

Test(budget_file, every_unit_is_held_to)
{
	check_refused("threads: {max: many}\n",
		      "strandline.yml:1:16: 'many' is not a whole number");
	check_refused("latency:\n"
		      "  endpoints: [{route: /x, p95_max: 250}]\n",
		      "strandline.yml:2:36: '250' has no unit; write 250ms or "
		      "1.5s");
}

Test(budget_file, a_key_given_twice_is_refused)
{
	check_refused("fds:\n  max: 1\n  max: 2\n",
		      "strandline.yml:3:3: key 'max' stands here a second "
		      "time");
}

Test(budget_file, an_endpoint_without_a_route_is_refused)
{
	check_refused("latency:\n  endpoints:\n    - p50_max: 1ms\n",
		      "strandline.yml:3:7: key 'route' is missing here");
	check_refused("latency:\n  endpoints:\n    - {route: POST}\n",
		      "strandline.yml:3:15: 'POST' is no route; write it as "
		      "'POST /path', '/path' or with * for any text");
}

Test(budget_file, a_wrong_shape_is_refused)
{
	check_refused("memory: 3\n", "strandline.yml:1:9: memory takes keys, "
				     "and has one value");
	check_refused("memory:\n", "strandline.yml:1:8: memory takes keys, "
				   "and has nothing");
	check_refused("memory: {rss_max: [1]}\n",
		      "strandline.yml:1:19: rss_max takes one value, and has "
		      "a list");
	check_refused("latency: {endpoints: {}}\n",
		      "strandline.yml:1:22: endpoints takes a list, and has "
		      "keys");
	check_refused("- memory\n", "strandline.yml:1:1: this file takes "
				    "keys, and has a list");
}

Test(budget_file, an_unknown_class_is_refused)
{
	check_refused("leaks:\n  fail: [leak, groth]\n",
		      "strandline.yml:2:16: unknown fail 'groth' (did you "
		      "mean 'growth'?)");
	check_refused("missing: perhaps\n",
		      "strandline.yml:1:10: unknown missing 'perhaps'; it is "
		      "one of fail, ignore");
}

Test(budget_file, a_suppression_of_another_tool_is_refused_where_it_stands)
{
	check_refused("leaks:\n  suppressions:\n    - race:foo\n",
		      "strandline.yml:3:7: 'race:foo' is no suppression; write "
		      "leak:PATTERN");
}

Test(budget_file, what_is_no_yaml_is_refused_where_it_breaks)
{
	check_refused("memory:\n\trss_max: 1\n",
		      "strandline.yml:2:1: found character that cannot start "
		      "any token");
	check_refused("memory: {rss_max: 1\n",
		      "strandline.yml:2:1: did not find expected ',' or '}'");
}

Test(budget_file, aliases_control_characters_and_more_documents_are_refused)
{
	check_refused("memory: &a {rss_max: 1}\n",
		      "strandline.yml:1:9: anchors and aliases are not "
		      "understood here; write the value in each place");
	check_refused("\"me\\e[2Jmory\": 1\n",
		      "strandline.yml:1:1: there is a control character or a "
		      "line break in this text");
	check_refused("fds: {max: 1}\n---\nfds: {max: 2}\n",
		      "strandline.yml:2:1: a second document begins here; keep "
		      "one");
}
