/* The comparison of two runs in every format, byte for byte. */
#include "reports/diff.h"

#include "tests/unit/fixture_gate.h"
#include "tests/unit/golden.h"

static struct gate_fixture fixture;

static struct buf written(const char *format, size_t top)
{
	const struct diff_options opt = { .top = top };
	struct buf out = BUF_INIT;

	gate_failing(&fixture);
	cr_assert_eq(diff_format_find(format)->write(fixture.diff, &opt, &out),
		     0);
	return out;
}

static void check(const char *format, const char *golden)
{
	struct buf out = written(format, 0);

	golden_check(golden, &out);
	buf_free(&out);
	gate_end(&fixture);
}

Test(report_diff, it_is_told_in_every_format)
{
	check("text", "diff/rag.txt");
	check("json", "diff/rag.json");
	check("md", "diff/rag.md");
}

Test(report_diff, as_many_sites_are_shown_as_asked_for)
{
	struct buf out = written("text", 1);

	cr_assert_not_null(
		strstr(out.bytes, "1 more sites changed; see --top"));
	buf_free(&out);
	gate_end(&fixture);
}

/* What only one side has is told by that side's name of it. */
Test(report_diff, the_server_is_one_table_whichever_side_has_a_figure)
{
	const struct diff_options opt = { .top = 1 };
	struct buf out = BUF_INIT;
	struct subject same;
	const char *head;

	gate_failing(&fixture);
	same = *fixture.diff->rows[1].subject;
	fixture.diff->rows[1].subject = &same;
	cr_assert_eq(diff_format_find("text")->write(fixture.diff, &opt, &out),
		     0);
	head = strstr(out.bytes, "server (rates per request)");
	cr_assert_not_null(head);
	cr_expect_null(strstr(head + 1, "server (rates per request)"));
	buf_free(&out);
	gate_end(&fixture);
}

Test(report_diff, a_format_that_is_none_is_not_found)
{
	cr_assert_null(diff_format_find("yaml"));
}
