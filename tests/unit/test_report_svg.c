/*
 * The flame graph's bytes.  How it behaves in a browser is tested by
 * tests/e2e/test_svg_browser.py on the same golden files.
 */
#include <criterion/criterion.h>

#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

static void check_holds(const struct model *m, const char *text)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	struct buf out = golden_report("svg", m, &opt);

	cr_assert_not_null(strstr(out.bytes, text), "no '%s'", text);
	buf_free(&out);
}

Test(report_svg, a_rag_server_is_drawn_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("rag.svg", "svg", fixture_rag(&one, false), &opt);
}

Test(report_svg, hostile_names_are_text)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("hostile.svg", "svg", fixture_hostile(&one), &opt);
	check_holds(&one.model,
		    "data-tip=\"&lt;script&gt;alert(1)&lt;/script&gt;&#10;");
	check_holds(&one.model, "data-tip=\"a_b_c ]]&gt; --&gt;&#10;");
	check_holds(&one.model, "&lt;rag&gt; &amp; &quot;co&quot;</text>");
}

Test(report_svg, an_empty_recording_says_so)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("empty.svg", "svg", fixture_empty(&one), &opt);
	check_holds(&one.model, "nothing of this kind was recorded");
}

Test(report_svg, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_ALLOC };

	golden_check_equal("svg", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_svg, frames_too_small_to_see_are_counted)
{
	check_holds(fixture_rag(&one, false),
		    "1 frame too small to see (below 0.1 px of 1200) not "
		    "drawn");
}

Test(report_svg, a_tooltip_tells_bytes_share_and_place)
{
	check_holds(fixture_rag(&one, false),
		    "data-tip=\"rag::Index::add(float const*, long)&#10;"
		    "142.5 MiB, 67.92%, 22.5 MiB of it here&#10;"
		    "/srv/rag/native/index.cpp:120 in "
		    "/srv/rag/native/libragindex.so\"");
}
