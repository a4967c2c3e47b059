/* Foreign names in each format: none ends an element or starts a command. */
#include "reports/escape.h"

#include <criterion/criterion.h>

#include "profiler/base/buf.h"

static void check(void (*escape)(struct buf *out, const char *text),
		  const char *text, const char *want)
{
	struct buf out = BUF_INIT;

	escape(&out, text);
	cr_assert_str_eq(out.bytes ? out.bytes : "", want);
	buf_free(&out);
}

Test(escape, xml_has_entities_and_no_controls)
{
	check(escape_xml, "<a href=\"x\">&amp;",
	      "&lt;a href=&quot;x&quot;&gt;"
	      "&amp;amp;");
	check(escape_xml, "a\033[2Jb\n", "a\xef\xbf\xbd[2Jb\xef\xbf\xbd");
	check(escape_xml, "\xff", "\xef\xbf\xbd");
	check(escape_xml, "]]>", "]]&gt;");
}

Test(escape, markdown_stays_text_in_its_cell)
{
	check(escape_markdown, "a|b_c*d", "a\\|b\\_c\\*d");
	check(escape_markdown, "<img src=x>", "&lt;img src=x\\>");
	check(escape_markdown, "[x](y)\n# z", "\\[x\\](y) \\# z");
	check(escape_markdown, "&lt;", "&amp;lt;");
}

Test(escape, markdown_notifies_nobody)
{
	check(escape_markdown, "@everyone",
	      "@\xe2\x80\x8b"
	      "everyone");
}

Test(escape, code_ends_where_it_should)
{
	check(escape_markdown_code, "f<int>(a_b)", "`f<int>(a_b)`");
	check(escape_markdown_code, "a`b", "`` a`b ``");
	check(escape_markdown_code, "a``` b", "`` a''` b ``");
	check(escape_markdown_code, "a|b\nc", "`a\\|b c`");
}

Test(escape, a_workflow_command_is_one_line_and_one_command)
{
	check(escape_workflow, "50 %\r\n::error::x", "50 %25%0D%0A::error::x");
	check(escape_workflow_property, "a,b:c\n", "a%2Cb%3Ac%0A");
	check(escape_workflow, "\033[31m", " [31m");
}

Test(escape, a_uri_has_no_spaces_and_no_colons)
{
	check(escape_uri, "src/a b.c", "src/a%20b.c");
	check(escape_uri, "c:\\x#y?z", "c%3A%5Cx%23y%3Fz");
	check(escape_uri, "\xc3\xa9", "%C3%A9");
}
