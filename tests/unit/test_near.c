/* What a name that is on no stack may have been. */
#include <criterion/criterion.h>

#include "profiler/model/near.h"
#include "profiler/trace/reader.h"

static struct model_frame frames[] = {
	{ .function = "search", .file = "/srv/app.py", .kind = FRAME_PYTHON },
	{ .function = "Index.search",
	  .file = "/srv/index.py",
	  .kind = FRAME_PYTHON },
	{ .function = "ns::embed(std::string)", .kind = FRAME_NATIVE },
	{ .function = "malloc", .kind = FRAME_NATIVE },
	{ .function = "research_index",
	  .file = "/srv/app.py",
	  .kind = FRAME_PYTHON },
	{ .function = "do_search", .kind = FRAME_KERNEL },
};
static const struct trace_handler routes[] = {
	{ "GET /health", "health", "/srv/app.py" },
};

/* The names nearest to @asked, joined by commas. */
static const char *near(const char *asked)
{
	static char text[512];
	const struct trace_view view = { .handlers = routes,
					 .handler_count = 1 };
	struct model *m = model_new();
	const char *names[MODEL_NEAR_MOST];
	int count;

	cr_assert_not_null(m);
	m->frames = frames;
	m->frame_count = sizeof(frames) / sizeof(frames[0]);
	count = near_find(m, &view, asked, names);
	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		strcat(text, i ? ", " : "");
		strcat(text, names[i]);
	}
	m->frames = NULL;
	m->frame_count = 0;
	model_free(m);
	return text;
}

Test(near, a_letter_is_wrong)
{
	cr_expect_str_eq(near("app.serch"), "app.search, index.Index.search");
	cr_expect_str_eq(near("embedd"), "ns::embed");
}

Test(near, the_module_is_wrong)
{
	cr_expect_str_eq(near("main.search"),
			 "app.search, index.Index.search, app.research_index");
}

Test(near, python_s_may_be_asked_for_without_saying_so)
{
	cr_expect_str_eq(near("health"), "app.health");
}

Test(near, nothing_is_like_it)
{
	cr_expect_str_eq(near("app.chat"), "");
	cr_expect_str_eq(near("x"), "");
	cr_expect_str_eq(near(""), "");
}
