/* The page as bytes; tests/e2e/test_html.py looks at it in a browser. */
#include <criterion/criterion.h>
#include <string.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "reports/base64.h"
#include "reports/columns.h"
#include "reports/emit.h"
#include "reports/html.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static char *page(const struct model *m, const struct verdict *verdict)
{
	struct report_options opt = { .verdict = verdict };
	struct buf out = BUF_INIT;

	cr_assert_eq(report_format_find("html")->write(m, &opt, &out), 0);
	return out.bytes;
}

static bool has(const char *text, const char *piece)
{
	return strstr(text, piece) != NULL;
}

Test(report_html, tells_the_verdict_without_a_script)
{
	static struct fixture f;
	struct verdict v = { .class = FINDING_LEAK,
			     .sentence = "leak: 4 KiB per request" };
	char *text = page(fixture_rag(&f, false), &v);

	cr_expect(has(text, "<header id=\"verdict\" class=\"banner leak\">"));
	cr_expect(has(text, "<p class=\"sentence\">leak: 4 KiB per request"));
	free(text);
}

Test(report_html, takes_names_for_text)
{
	static struct fixture f;
	struct verdict v = { .sentence = "<img src=x onerror=alert(1)>" };
	char *text = page(fixture_hostile(&f), &v);

	cr_expect(has(text, "<title>&lt;rag&gt; &amp; &quot;co&quot;"));
	cr_expect(has(text, "&lt;img src=x"));
	cr_expect_not(has(text, "<img"));
	cr_expect_not(has(text, "<rag>"));
	cr_expect_not(has(text, "alert(1)</script>"));
	free(text);
}

Test(report_html, of_equal_models_is_equal)
{
	struct report_options opt = { .kind = MODEL_ALLOC };
	static struct fixture f, g;

	golden_check_equal("html", fixture_rag(&f, false),
			   fixture_rag(&g, false), &opt);
}

Test(report_html, of_an_empty_recording_is_whole)
{
	static struct fixture f;
	char *text = page(fixture_empty(&f), NULL);

	cr_expect(has(text, "class=\"banner unjudged\""));
	cr_expect_str_eq(text + strlen(text) - 8, "</html>\n");
	free(text);
}

static void check_encoded(const char *text, const char *wanted)
{
	struct buf out = BUF_INIT;

	base64_put(&out, text, strlen(text));
	cr_expect_str_eq(out.bytes, wanted);
	buf_free(&out);
}

Test(report_html, encodes_as_rfc_4648_says)
{
	check_encoded("foobar", "Zm9vYmFy");
	check_encoded("fooba", "Zm9vYmE=");
	check_encoded("foob", "Zm9vYg==");
	check_encoded("\xff\xfe\xfd", "//79");
}

Test(report_html, packs_numbers_by_seven_bits)
{
	static const unsigned char bytes[] = { 0,    0x7f, 0x80, 0x01, 0xac,
					       0x02, 0x03, 0x04, 0x00, 0x02 };
	struct buf json = BUF_INIT;
	struct emit e = { .out = &json };
	struct columns c;

	columns_begin(&c, &e);
	column_begin(&c, "few");
	column_put(&c, 0);
	column_put(&c, 127);
	column_put(&c, 128);
	column_put(&c, 300);
	column_end(&c);
	column_begin(&c, "signed");
	column_put_signed(&c, -2);
	column_put_signed(&c, 2);
	column_put_real(&c, -1);
	column_put_real(&c, 1.6);
	column_end(&c);
	columns_end(&c);
	cr_assert_eq(c.bytes.len, sizeof(bytes));
	cr_expect_arr_eq(c.bytes.bytes, bytes, sizeof(bytes));
	cr_expect(has(json.bytes, "\"few\": [4, 6]") ||
		  has(json.bytes, "\"few\":[4,6]"));
	buf_free(&c.bytes);
	buf_free(&json);
}
