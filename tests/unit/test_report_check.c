/* The outcome of a gate in every format, byte for byte. */
#include "reports/check.h"

#include "tests/unit/fixture_gate.h"
#include "tests/unit/golden.h"

static struct gate_fixture fixture;

typedef int check_writer(const struct gate *g, const struct check_options *opt,
			 struct buf *out);

static struct buf written(check_writer *write, const struct gate *g)
{
	const struct check_options opt = { .root = "/srv/rag" };
	struct buf out = BUF_INIT;

	cr_assert_eq(write(g, &opt, &out), 0);
	return out;
}

static void check(check_writer *write, const struct gate *g, const char *golden)
{
	struct buf out = written(write, g);

	golden_check(golden, &out);
	buf_free(&out);
}

Test(report_check, a_failure_is_told_in_every_format)
{
	const struct gate *g = gate_failing(&fixture);

	cr_assert_eq(g->status, GATE_GROWS);
	check(check_text, g, "check/failing.txt");
	check(check_json, g, "check/failing.json");
	check(check_junit, g, "check/failing.junit.xml");
	check(check_sarif, g, "check/failing.sarif");
	check(check_markdown, g, "check/failing.md");
	check(check_github, g, "check/failing.github");
	gate_end(&fixture);
}

Test(report_check, a_clean_run_is_told_in_every_format)
{
	const struct gate *g = gate_clean(&fixture);

	cr_assert_eq(g->status, GATE_PASS);
	check(check_text, g, "check/clean.txt");
	check(check_json, g, "check/clean.json");
	check(check_junit, g, "check/clean.junit.xml");
	check(check_sarif, g, "check/clean.sarif");
	check(check_markdown, g, "check/clean.md");
	check(check_github, g, "check/clean.github");
	gate_end(&fixture);
}

Test(report_check, too_little_data_is_told_in_every_format)
{
	const struct gate *g = gate_too_short(&fixture);

	cr_assert_eq(g->status, GATE_INCONCLUSIVE);
	check(check_text, g, "check/short.txt");
	check(check_json, g, "check/short.json");
	check(check_junit, g, "check/short.junit.xml");
	check(check_sarif, g, "check/short.sarif");
	check(check_markdown, g, "check/short.md");
	check(check_github, g, "check/short.github");
	gate_end(&fixture);
}

Test(report_check, hostile_names_stay_names_in_every_format)
{
	const struct gate *g = gate_hostile(&fixture);

	check(check_text, g, "check/hostile.txt");
	check(check_json, g, "check/hostile.json");
	check(check_junit, g, "check/hostile.junit.xml");
	check(check_sarif, g, "check/hostile.sarif");
	check(check_markdown, g, "check/hostile.md");
	check(check_github, g, "check/hostile.github");
	gate_end(&fixture);
}

/* Lines of @text that begin with @start. */
static unsigned lines(const char *text, const char *start)
{
	unsigned count = 0;

	for (; text; text = strchr(text, '\n'), text += text != NULL)
		count += strncmp(text, start, strlen(start)) == 0;
	return count;
}

Test(report_check, an_annotation_is_one_line_whatever_it_says)
{
	struct buf out = written(check_github, gate_hostile(&fixture));

	/* The headline and the leak; the budget that was not measured. */
	cr_assert_eq(lines(out.bytes, "::error "), 2);
	cr_assert_eq(lines(out.bytes, "::warning "), 1);
	cr_assert_eq(lines(out.bytes, ""), 4);
	buf_free(&out);
	gate_end(&fixture);
}

Test(report_check, no_more_annotations_than_github_keeps)
{
	static struct finding many[25];
	struct buf out;

	gate_clean(&fixture);
	fixture.verdict.findings = many;
	fixture.verdict.finding_count = 25;
	for (size_t i = 0; i < 25; i++)
		many[i] = (struct finding) { .class = FINDING_GROWTH,
					     .sentence = "grows",
					     .node = MODEL_NONE };
	gate_settle(&fixture.gate);
	out = written(check_github, &fixture.gate);
	cr_assert_eq(lines(out.bytes, "::error "), 10);
	buf_free(&out);
	gate_end(&fixture);
}

Test(report_check, what_lies_outside_the_tree_is_not_annotated)
{
	struct buf out;

	gate_failing(&fixture);
	fixture.findings[0].file = "/usr/include/c++/12/new";
	out = written(check_github, &fixture.gate);
	cr_assert_null(strstr(out.bytes, "/usr/include"));
	buf_free(&out);
	fixture.findings[0].file = "/srv/ragged/x.c";
	out = written(check_github, &fixture.gate);
	cr_assert_null(strstr(out.bytes, "ragged"));
	buf_free(&out);
	fixture.findings[0].file = "/srv/rag/native/index.cpp";
	out = written(check_github, &fixture.gate);
	cr_assert_not_null(strstr(out.bytes, "file=native/index.cpp,line=120"));
	buf_free(&out);
	gate_end(&fixture);
}

Test(report_check, the_fingerprint_of_a_finding_outlives_a_moved_line)
{
	static struct gate_fixture moved;
	char before[sizeof(fixture.findings[0].fingerprint)];

	gate_failing(&fixture);
	memcpy(before, fixture.findings[0].fingerprint, sizeof(before));
	gate_failing(&moved);
	moved.model.frames[8].line += 40;
	fingerprint(moved.findings[0].fingerprint, &moved.model.model,
		    &moved.findings[0]);
	cr_assert_str_eq(moved.findings[0].fingerprint, before);
	gate_end(&fixture);
	gate_end(&moved);
}
