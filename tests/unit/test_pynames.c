#include <criterion/criterion.h>

#include "profiler/sym/pynames.h"

static const char *module(const char *file, const char *folder)
{
	static char name[64];

	pynames_module(name, sizeof(name), file, folder);
	return name;
}

Test(pynames, the_first_function_of_a_greenlet_is_known)
{
	cr_assert(pynames_is_greenlet("greenlet::UserGreenlet::inner_bootstrap("
				      "_greenlet*, _object*)"));
	cr_assert(pynames_is_greenlet("g_initialstub"));
	cr_assert_not(
		pynames_is_greenlet("greenlet::UserGreenlet::g_switch()"));
}

Test(pynames, an_evaluator_is_known_by_its_name_and_its_parts)
{
	cr_assert(pynames_is_evaluator("_PyEval_EvalFrameDefault"));
	cr_assert(pynames_is_evaluator("_PyEval_EvalFrameDefault.cold"));
	cr_assert_not(pynames_is_evaluator("_PyEval_EvalFrameDefaultX"));
	cr_assert_not(pynames_is_evaluator("_PyEval_EvalFrame"));
}

Test(pynames, a_module_is_named_as_it_is_imported)
{
	cr_assert_str_eq(module("/srv/rag/app/search.py", "/srv/rag"),
			 "app.search");
	cr_assert_str_eq(module("/srv/rag/app/search.py", "/srv/rag/"),
			 "app.search");
	cr_assert_str_eq(module("/usr/lib/python3/dist-packages/fastapi/"
				"routing.py",
				"/usr"),
			 "fastapi.routing");
	cr_assert_str_eq(module("/v/lib/python3.11/site-packages/uvicorn/"
				"__init__.py",
				"/v"),
			 "uvicorn");
	cr_assert_str_eq(module("/usr/lib/python3.11/asyncio/events.py", NULL),
			 "asyncio.events");
	cr_assert_str_eq(module("<frozen importlib._bootstrap>", "/srv"),
			 "<frozen importlib._bootstrap>");
}

Test(pynames, what_lies_elsewhere_goes_by_its_own_name)
{
	cr_assert_str_eq(module("/srv/other/tool.py", "/srv/rag"), "tool");
	cr_assert_str_eq(module("/srv/ragged.py", "/srv/rag"), "ragged");
	cr_assert_str_eq(module("./app/main.py", NULL), "app.main");
}

Test(pynames, a_long_name_is_cut)
{
	char name[8];

	pynames_module(name, sizeof(name), "/a/abcdefghijkl.py", "");
	cr_assert_str_eq(name, "abcdefg");
}
