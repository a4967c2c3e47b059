/*
 * Suppressions.  The cases of LeakSanitizer's own tests stand here as they
 * are there (sanitizer_suppressions_test.cpp), but for its leftmost match.
 */
#include "profiler/analysis/suppress.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/err.h"
#include "tests/unit/fixture_model.h"

static struct fixture fixture;

static struct suppressions parsed(const char *text)
{
	struct suppressions s = SUPPRESSIONS_INIT;
	struct err err = ERR_INIT;

	cr_assert_eq(suppressions_parse(&s, "a.supp", 1, text, strlen(text),
					&err),
		     0, "%s", err.text);
	return s;
}

static void check_refused(const char *text, size_t len, const char *sentence)
{
	struct suppressions s = SUPPRESSIONS_INIT;
	struct err err = ERR_INIT;

	cr_assert_eq(suppressions_parse(&s, "a.supp", 1, text, len, &err),
		     -EINVAL);
	cr_assert_str_eq(err.text, sentence);
	suppressions_free(&s);
}

Test(suppress, a_pattern_is_found_anywhere)
{
	cr_assert(suppression_matches("foo", "foo"));
	cr_assert(suppression_matches("foo", "XfooY"));
	cr_assert_not(suppression_matches("foo", "XfopY"));
	cr_assert_not(suppression_matches("foobar", "foo"));
}

Test(suppress, a_star_stands_for_any_text)
{
	cr_assert(suppression_matches("f*r", "foobar"));
	cr_assert(suppression_matches("foo*bar", "foobar"));
	cr_assert(suppression_matches("foo*bar", "foo123bar"));
	cr_assert(suppression_matches("*", "anything"));
	cr_assert(suppression_matches("**a**", "bab"));
	cr_assert_not(suppression_matches("f*r", "foobad"));
}

Test(suppress, a_caret_holds_the_start)
{
	cr_assert(suppression_matches("^foo", "foobar"));
	cr_assert(suppression_matches("^*bar", "foobar"));
	cr_assert_not(suppression_matches("^foo", "afoobar"));
}

Test(suppress, a_dollar_holds_the_end)
{
	cr_assert(suppression_matches("bar$", "foobar"));
	cr_assert(suppression_matches("foo*$", "foobar"));
	cr_assert(suppression_matches("free$", "freefree"));
	cr_assert_not(suppression_matches("foo$", "foobar"));
}

Test(suppress, both_anchors_hold_the_whole)
{
	cr_assert(suppression_matches("^foo$", "foo"));
	cr_assert(suppression_matches("^foo*bar$", "foo bar bar"));
	cr_assert_not(suppression_matches("^foo$", "foofoo"));
	cr_assert_not(suppression_matches("^foo$", "afoo"));
}

Test(suppress, what_leaksanitizer_tests_holds_here)
{
	cr_assert(suppression_matches("*foo*bar*", "Xfoo123bar"));
	cr_assert(suppression_matches("foo*bar*", "Xfoo123barY"));
	cr_assert(suppression_matches("*a*b*", "a1b1c"));
	cr_assert_not(suppression_matches("^foo$", "bar"));
	cr_assert_not(suppression_matches("foo", ""));
	cr_assert_not(suppression_matches("foo", NULL));
	cr_assert_not(suppression_matches("*foo", "Xfop"));
	cr_assert_not(suppression_matches("*foo*bar*", "bar123foo"));
}

Test(suppress, a_long_text_of_near_misses_ends)
{
	char text[4096];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_assert_not(suppression_matches("a*a*a*a*a*a*a*a*a*b", text));
}

Test(suppress, a_file_has_comments_blanks_and_dos_line_ends)
{
	struct suppressions s = parsed("# known\r\n"
				       "\r\n"
				       "  leak:libfoo.so \r\n"
				       "\tleak:operator new(unsigned long)\n"
				       "#leak:not this\n"
				       "leak:last one");

	cr_assert_eq(s.list.count, 3);
	cr_assert_str_eq(s.list.at[0].pattern, "libfoo.so");
	cr_assert_str_eq(s.list.at[0].origin, "a.supp:3");
	cr_assert_str_eq(s.list.at[1].pattern, "operator new(unsigned long)");
	cr_assert_str_eq(s.list.at[2].pattern, "last one");
	cr_assert_str_eq(s.list.at[2].origin, "a.supp:6");
	suppressions_free(&s);
}

Test(suppress, an_empty_file_suppresses_nothing)
{
	struct suppressions s = parsed("");

	cr_assert_eq(s.list.count, 0);
	suppressions_free(&s);
}

Test(suppress, a_line_of_another_sanitizer_is_refused_with_its_number)
{
	const char *text = "leak:a\nrace:foo\n";

	check_refused(text, strlen(text),
		      "a.supp:2: 'race:foo' is no suppression; write "
		      "leak:PATTERN");
}

Test(suppress, a_pattern_that_would_take_everything_by_mistake_is_refused)
{
	check_refused("leak: \n", 7,
		      "a.supp:1: no pattern follows 'leak:'; it would take "
		      "every finding");
}

Test(suppress, a_nul_byte_is_refused)
{
	check_refused("leak:a\0b", 8,
		      "a.supp:1: there is a NUL byte in this line");
}

static struct finding finding_at(const struct model *m, size_t site)
{
	return (struct finding) { .class = FINDING_LEAK,
				  .node = m->sites[site].node };
}

Test(suppress, function_file_and_module_of_every_frame_are_looked_at)
{
	const struct model *m = fixture_rag(&fixture, false);
	struct finding f = finding_at(m, 0);
	struct suppressions s;

	s = parsed("leak:nothing\nleak:^rag::Index::add(\n");
	cr_assert_eq(suppressions_find(&s, m, &f), &s.list.at[1]);
	suppressions_free(&s);
	s = parsed("leak:app/main.py$\n");
	cr_assert_eq(suppressions_find(&s, m, &f), &s.list.at[0]);
	suppressions_free(&s);
	s = parsed("leak:libragindex.so\n");
	cr_assert_eq(suppressions_find(&s, m, &f), &s.list.at[0]);
	suppressions_free(&s);
	s = parsed("leak:blas_memory_alloc\n");
	cr_assert_null(suppressions_find(&s, m, &f));
	suppressions_free(&s);
}

Test(suppress, what_is_taken_is_marked_and_counted)
{
	const struct model *m = fixture_rag(&fixture, false);
	struct finding findings[] = { finding_at(m, 0), finding_at(m, 7) };
	struct verdict v = { .findings = findings, .finding_count = 2 };
	struct suppressions s = parsed("leak:unused\nleak:openblas\n");

	suppressions_apply(&s, m, &v);
	cr_assert_not(findings[0].suppressed);
	cr_assert(findings[1].suppressed);
	cr_assert_eq(s.list.at[0].count, 0);
	cr_assert_eq(s.list.at[1].count, 1);
	suppressions_free(&s);
}

Test(suppress, a_finding_of_the_whole_process_has_no_stack_to_match)
{
	const struct model *m = fixture_rag(&fixture, false);
	struct finding f = { .class = FINDING_FDS, .node = MODEL_NONE };
	struct suppressions s = parsed("leak:*\n");

	cr_assert_null(suppressions_find(&s, m, &f));
	suppressions_free(&s);
}
