/* Names of frames and the bytes they are made of. */
#include <criterion/criterion.h>

#include "profiler/base/buf.h"
#include "reports/layout.h"
#include "reports/names.h"
#include "reports/utf8.h"

static void check_character(const char *bytes, size_t len, uint32_t expected)
{
	uint32_t c;

	cr_assert_eq(utf8_next(bytes, &c), len);
	cr_assert_eq(c, expected);
}

static void check_label(const struct model_frame *frame, const char *expected)
{
	struct buf out = BUF_INIT;

	name_put_label(&out, frame);
	cr_assert_str_eq(out.bytes, expected);
	buf_free(&out);
}

static void check_put(const char *text, unsigned width, enum layout_align align,
		      const char *expected)
{
	struct buf out = BUF_INIT;
	struct layout l = { .out = &out, .columns = 80 };

	layout_put(&l, text, width, align);
	cr_assert_str_eq(out.bytes, expected);
	buf_free(&out);
}

Test(utf8, valid_characters_decode)
{
	check_character("a", 1, 'a');
	check_character("é", 2, 0xe9);
	check_character("検", 3, 0x691c);
	check_character("😀", 4, 0x1f600);
}

Test(utf8, every_broken_byte_counts_alone)
{
	check_character("\xff", 1, UTF8_REPLACEMENT);
	check_character("\x80", 1, UTF8_REPLACEMENT);
	check_character("\xc3", 1, UTF8_REPLACEMENT);	  /* cut short */
	check_character("\xe6\xa4", 1, UTF8_REPLACEMENT); /* likewise */
	check_character("\xc0\x80", 1, UTF8_REPLACEMENT); /* overlong */
	check_character("\xe0\x80\x80", 1, UTF8_REPLACEMENT);
	check_character("\xed\xa0\x80", 1, UTF8_REPLACEMENT); /* surrogate */
	check_character("\xf4\x90\x80\x80", 1, UTF8_REPLACEMENT);
}

Test(utf8, what_is_put_is_read_back)
{
	static const uint32_t some[] = { 'a', 0x7ff, 0x800, 0xffff, 0x10ffff };
	struct buf out = BUF_INIT;
	const char *at;
	uint32_t c;

	for (size_t i = 0; i < 5; i++)
		utf8_put(&out, some[i]);
	at = out.bytes;
	for (size_t i = 0; i < 5; i++) {
		at += utf8_next(at, &c);
		cr_assert_eq(c, some[i]);
	}
	cr_assert_eq(*at, '\0');
	buf_free(&out);
}

Test(names, sources_are_told_from_their_package_on)
{
	cr_assert_str_eq(name_source("/usr/lib/python3/dist-packages/"
				     "starlette/routing.py"),
			 "starlette/routing.py");
	cr_assert_str_eq(name_source("/venv/lib/python3.12/site-packages/"
				     "faiss/__init__.py"),
			 "faiss/__init__.py");
	cr_assert_str_eq(name_source("/usr/lib/python3.11/asyncio/events.py"),
			 "asyncio/events.py");
	cr_assert_str_eq(name_source("/srv/rag/app/main.py"), "main.py");
	cr_assert_str_eq(name_source("/srv/rag/app/__init__.py"),
			 "app/__init__.py");
	cr_assert_str_eq(name_source("__init__.py"), "__init__.py");
	cr_assert_str_eq(name_source("<frozen importlib>"),
			 "<frozen importlib>");
}

Test(names, labels_follow_the_language)
{
	struct model_frame f = { .function = "f",
				 .file = "/a/b.py",
				 .line = 12,
				 .module = "/a/b.py" };

	check_label(&f, "f");
	f.kind = FRAME_KERNEL;
	check_label(&f, "f_[k]");
	f.kind = FRAME_PYTHON;
	check_label(&f, "f (b.py:12)");
	f.line = 0;
	check_label(&f, "f (b.py)");
	f.file = NULL;
	check_label(&f, "f");
}

static void check_function(const struct model_frame *frame,
			   const char *expected)
{
	struct buf out = BUF_INIT;

	name_put_function(&out, frame);
	cr_assert_str_eq(out.bytes, expected);
	buf_free(&out);
}

Test(names, an_address_in_an_extension_is_told_without_its_platform)
{
	struct model_frame f = { .module = "/p/_u.cpython-311-x86_64.so" };

	f.function = "_u.cpython-311-x86_64.so+0x12";
	cr_assert(name_is_address(&f));
	check_function(&f, "_u+0x12");
	check_label(&f, "_u+0x12");
	f.function = "_u.cpython-311-x86_64.so";
	cr_assert_not(name_is_address(&f));
	check_function(&f, "_u.cpython-311-x86_64.so");
	f.module = "/p/libx.so.3";
	f.function = "libx.so.3+0x12";
	check_function(&f, "libx.so.3+0x12");
	f.module = "";
	f.function = "+0x12";
	cr_assert_not(name_is_address(&f));
}

Test(layout, texts_are_cut_and_filled_by_cells)
{
	check_put("abc", 5, LAYOUT_LEFT, "abc  ");
	check_put("abc", 5, LAYOUT_RIGHT, "  abc");
	check_put("abc", 5, LAYOUT_LAST, "abc");
	check_put("abcdef", 5, LAYOUT_LEFT, "abcd…");
	check_put("abcdef", 5, LAYOUT_TAIL, "…cdef");
	check_put("検索索引", 5, LAYOUT_LEFT, "検索…");
	check_put("検索索引", 6, LAYOUT_LEFT, "検索… ");
	check_put("検索索引", 4, LAYOUT_TAIL, "…引 ");
	check_put("abc", 1, LAYOUT_LAST, "…");
}

Test(layout, control_characters_become_question_marks)
{
	check_put("a\033[2Jb\n", 10, LAYOUT_LAST, "a?[2Jb?");
}

Test(layout, words_wrap_under_their_indent)
{
	struct buf out = BUF_INIT;
	struct layout l = { .out = &out, .columns = 12 };

	layout_wrap(&l, "one two three four", 2);
	cr_assert_str_eq(out.bytes, "one two\n  three four\n");
	buf_free(&out);
}

Test(names, a_python_file_is_told_from_its_package_on)
{
	struct model_frame f = {
		.function = "search",
		.file = "/srv/rag/app/search.py",
		.module = "app.search",
		.line = 7,
		.kind = FRAME_PYTHON,
	};
	struct buf out = BUF_INIT;

	name_put_label(&out, &f);
	cr_assert_str_eq(out.bytes, "search (app/search.py:7)");
	out.len = 0;
	f.file = "/srv/rag/app/__init__.py";
	f.module = "app";
	name_put_label(&out, &f);
	cr_assert_str_eq(out.bytes, "search (app/__init__.py:7)");
	out.len = 0;
	f.file = "/srv/other/myapp/search.py";
	f.module = "app.search";
	name_put_label(&out, &f);
	cr_assert_str_eq(out.bytes, "search (search.py:7)");
	buf_free(&out);
}
