/* Markdown, for a merge request. */
#include <criterion/criterion.h>

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
