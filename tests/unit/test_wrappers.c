#include "profiler/model/wrappers.h"

#include <errno.h>

#include "profiler/base/err.h"
#include "tests/unit/fixture_model.h"

static void check_name(const char *function, const char *name)
{
	size_t len;
	const char *at = wrappers_name(function, &len);

	cr_expect(len == strlen(name) && !strncmp(at, name, len),
		  "%s: '%.*s', not '%s'", function, (int)len, at, name);
}

Test(wrappers, a_name_is_without_arguments_and_return_type)
{
	check_name("malloc", "malloc");
	check_name("operator new(unsigned long)", "operator new");
	check_name("operator new[](unsigned long, std::align_val_t)",
		   "operator new[]");
	check_name("void std::vector<int, std::allocator<int> >::"
		   "_M_realloc_insert<int>(int&&)",
		   "std::vector<int, std::allocator<int> >::"
		   "_M_realloc_insert<int>");
	check_name("handle(std::string const&)", "handle");
	check_name("(anonymous namespace)::serve(int)",
		   "(anonymous namespace)::serve");
	check_name("Server::run() const", "Server::run");
	check_name("<alloc::vec::Vec<T> as core::clone::Clone>::clone",
		   "<alloc::vec::Vec<T> as core::clone::Clone>::clone");
	check_name("Foo::operator()(int) const", "Foo::operator()");
	check_name("", "");
	check_name("((((", "((((");
}

/* clang-format off */
static const struct model_frame frames[] = {
	{ "_start", NULL, "/srv/app", 0, FRAME_NATIVE, MODULE_APPLICATION,
	  false },
	{ "__libc_start_main", NULL, "/lib/libc.so.6", 0, FRAME_NATIVE,
	  MODULE_LIBC, false },
	{ "main", NULL, "/srv/app", 0, FRAME_NATIVE, MODULE_APPLICATION,
	  false },
	{ "xmalloc", NULL, "/srv/app", 0, FRAME_NATIVE, MODULE_APPLICATION,
	  false },
	{ "strdup", NULL, "/lib/libc.so.6", 0, FRAME_NATIVE, MODULE_LIBC,
	  false },
	{ "take", NULL, "/srv/app", 0, FRAME_NATIVE, MODULE_APPLICATION,
	  false },
	{ "app+0x1234", NULL, "/srv/app", 0, FRAME_NATIVE, MODULE_APPLICATION,
	  false },
	{ "main_loop(std::string)", NULL, "/srv/app", 0, FRAME_NATIVE,
	  MODULE_APPLICATION, false },
	{ "allocate", "/usr/include/c++/12/bits/new_allocator.h", "/srv/app",
	  137, FRAME_NATIVE, MODULE_APPLICATION, true },
	{ "getline", "/usr/include/x86_64-linux-gnu/bits/stdio.h", "/srv/app",
	  120, FRAME_NATIVE, MODULE_APPLICATION, true },
	{ "allocate", "/srv/src/pool.c", "/srv/app", 3, FRAME_NATIVE,
	  MODULE_APPLICATION, false },
	{ "[truncated]", NULL, "", 0, FRAME_MARKER, MODULE_UNKNOWN, false },
};
/* clang-format on */

enum {
	START,
	LIBC_START,
	MAIN,
	XMALLOC,
	STRDUP,
	TAKE,
	UNNAMED,
	LOOP,
	STD_ALLOCATE,
	INLINE_GETLINE,
	OWN_ALLOCATE,
	CUT
};

static struct fixture f;

static void setup(void)
{
	fixture_begin(&f);
	memcpy(f.frames, frames, sizeof(frames));
	f.model.frame_count = sizeof(frames) / sizeof(frames[0]);
}

TestSuite(wrappers, .init = setup);

static uint32_t blamed(const int8_t *stack)
{
	const struct model_site *s = fixture_site(&f, stack);

	if (!f.model.frame_roles)
		cr_assert_eq(wrappers_mark(&f.model), 0);
	return f.nodes[model_blamed(&f.model, s->node)].frame;
}

Test(wrappers, libc_and_wrappers_are_seen_through)
{
	cr_expect_eq(blamed((int8_t[]) { START, MAIN, TAKE, -1 }), TAKE);
	cr_expect_eq(blamed((int8_t[]) { START, MAIN, TAKE, XMALLOC, -1 }),
		     TAKE);
	cr_expect_eq(blamed((int8_t[]) { START, MAIN, TAKE, XMALLOC, STRDUP,
					 -1 }),
		     TAKE);
	cr_expect_eq(blamed((int8_t[]) { START, LOOP, STRDUP, -1 }), LOOP);
}

Test(wrappers, what_is_inlined_from_system_headers_is_seen_through)
{
	cr_expect_eq(blamed((int8_t[]) { MAIN, TAKE, STD_ALLOCATE, -1 }), TAKE);
	cr_expect_eq(blamed((int8_t[]) { MAIN, TAKE, INLINE_GETLINE, STRDUP,
					 -1 }),
		     TAKE);
	cr_expect_eq(blamed((int8_t[]) { MAIN, TAKE, OWN_ALLOCATE, -1 }),
		     OWN_ALLOCATE);
}

Test(wrappers, a_function_without_name_is_the_wrappers_that_called_it)
{
	cr_expect_eq(blamed((int8_t[]) { MAIN, TAKE, XMALLOC, UNNAMED, -1 }),
		     TAKE);
	cr_expect_eq(blamed((int8_t[]) { MAIN, TAKE, UNNAMED, -1 }), UNNAMED);
}

Test(wrappers, where_nobody_else_is_the_innermost_frame_is_told)
{
	cr_expect_eq(blamed((int8_t[]) { START, LIBC_START, STRDUP, -1 }),
		     STRDUP);
	cr_expect_eq(blamed((int8_t[]) { CUT, XMALLOC, -1 }), XMALLOC);
}

Test(wrappers, a_user_adds_one)
{
	struct err err = ERR_INIT;
	const int8_t stack[] = { START, MAIN, TAKE, XMALLOC, -1 };

	cr_expect_eq(blamed(stack), TAKE);
	cr_assert_eq(wrappers_add(&f.model, "ta*", &err), 0);
	cr_expect_eq(blamed(stack), MAIN);
}

Test(wrappers, a_pattern_that_takes_all_is_refused)
{
	struct err err = ERR_INIT;

	cr_expect_eq(wrappers_add(&f.model, "*", &err), -EINVAL);
	cr_expect_not_null(strstr(err.text, "every function"));
	cr_expect_eq(wrappers_add(&f.model, "", &err), -EINVAL);
}
