/*
 * Which frames are of the function that --handler asked for.
 */
#include <criterion/criterion.h>

#include "profiler/model/model.h"
#include "profiler/model/named.h"

static bool python(const char *name, const char *function, const char *file)
{
	return named_frame(&(struct model_frame) { .function = function,
						   .file = file,
						   .module = "",
						   .kind = FRAME_PYTHON },
			   name);
}

static bool native(const char *name, const char *function)
{
	return named_frame(&(struct model_frame) { .function = function,
						   .module = "",
						   .kind = FRAME_NATIVE },
			   name);
}

Test(asked, a_python_function_is_named_by_its_module_and_its_name)
{
	cr_expect(python("python:app.search", "search", "/srv/app.py"));
	cr_expect(python("app.search", "search", "/srv/app.py"));
	cr_expect(python("Index.add", "Index.add", "/srv/app.py"));
	cr_expect(python("python:rag.app.search", "search", "/srv/rag/app.py"));
	cr_expect(
		python("python:rag.search", "search", "/srv/rag/__init__.py"));
	cr_expect(python("python:app.Index.add", "Index.add", "app.py"));
	cr_expect(python("python:Index.add", "Index.add", "/srv/app.py"));
}

Test(asked, one_of_another_module_or_name_is_not_it)
{
	cr_expect_not(python("python:app.search", "search", "/srv/myapp.py"));
	cr_expect_not(python("python:app.search", "search", "/srv/index.py"));
	cr_expect_not(python("python:app.search", "research", "/srv/app.py"));
	cr_expect_not(python("python:app.search", "search2", "/srv/app.py"));
	cr_expect_not(python("python:app.search", "search", NULL));
}

Test(asked, functions_made_within_others_are_named_with_or_without_locals)
{
	cr_expect(python("python:app.make.search", "make.<locals>.search",
			 "/srv/app.py"));
	cr_expect(python("python:app.make.<locals>.search",
			 "make.<locals>.search", "/srv/app.py"));
}

Test(asked, python_s_and_native_ones_are_told_apart)
{
	cr_expect(named_python("app.search"));
	cr_expect(named_python("app.Index.search"));
	cr_expect(named_python("python:search"));
	cr_expect_not(named_python("search"));
	cr_expect_not(named_python("ns::search"));
	cr_expect_not(named_python("libindex.so:search"));
	cr_expect_not(named_python("search.part.0"));
	cr_expect_not(named_python("search.cold"));
	cr_expect_not(named_python("app."));
	cr_expect_not(python("search", "search", "/srv/app.py"));
	cr_expect_not(native("python:search", "search"));
}

Test(asked, a_native_one_may_have_arguments_and_a_file)
{
	cr_expect(native("search", "search"));
	cr_expect(native("search", "search(int)"));
	cr_expect(native("libindex.so:ns::search", "ns::search(int)"));
	cr_expect_not(native("search", "searching"));
	cr_expect_not(native("ns::search", "search"));
}
