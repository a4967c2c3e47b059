/*
 * Stacks of a recording that is written down here.  Native frames are markers
 * that show their address; the evaluator is a function of that name in this
 * very program.
 */
#include <criterion/criterion.h>
#include <link.h>
#include <string.h>

#include "profiler/model/frames.h"
#include "profiler/model/splice.h"

int _PyEval_EvalFrameDefault(int x); /* as CPython's is called */

__attribute__((noinline)) int _PyEval_EvalFrameDefault(int x)
{
	return x * 3;
}

int g_initialstub(int x); /* as the first function of greenlets */

__attribute__((noinline)) int g_initialstub(int x)
{
	return x * 5;
}

static const struct trace_code codes[] = {
	{ .id = 1, .qualname = "outer", .file = "a.py", .first_line = 1 },
	{ .id = 2, .qualname = "inner", .file = "a.py", .first_line = 2 },
	{ .id = 3, .qualname = "called", .file = "a.py", .first_line = 3 },
};

static struct wire_node nodes[16];

static uint32_t native(uint32_t at, uint32_t parent, uint64_t page)
{
	nodes[at - 1] =
		(struct wire_node) { parent, NODE_ABSOLUTE << 24, page << 12 };
	return at;
}

static uint32_t function(uint32_t at, uint32_t parent, int (*code)(int))
{
	nodes[at - 1] =
		(struct wire_node) { parent, NODE_NATIVE << 24 | 1,
				     (uint64_t)code - _r_debug.r_map->l_addr +
					     1 };
	return at;
}

static uint32_t evaluator(uint32_t at, uint32_t parent)
{
	return function(at, parent, _PyEval_EvalFrameDefault);
}

static uint32_t python(uint32_t at, uint32_t parent, uint32_t code, bool entry)
{
	nodes[at - 1] = (struct wire_node) { parent, NODE_PYTHON << 24 | code,
					     wire_python_value(0, entry) };
	return at;
}

static uint32_t mixed(uint32_t at, uint32_t outer, uint32_t inner)
{
	nodes[at - 1] = (struct wire_node) { outer, NODE_MIXED << 24, inner };
	return at;
}

/* The functions of a stack, joined by spaces. */
static const char *path_seen(uint32_t node, enum model_view view, bool probed)
{
	static char text[256];
	const struct trace_module module = { .id = 1,
					     .path = "/proc/self/exe" };
	struct trace_image im = { .nodes = nodes,
				  .node_count = 16,
				  .modules = &module,
				  .module_count = 1,
				  .codes = codes,
				  .code_count = 3,
				  .probed = probed };
	struct symtab *st = symtab_new("");
	struct model *m = model_new();
	const uint32_t *path;
	struct frames f;
	struct splice *s;

	cr_assert_eq(frames_init(&f, m, st), 0);
	s = splice_new(&f, &im, view);
	text[0] = 0;
	for (size_t i = 0, n = splice_path(s, node, &path); i < n; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, f.list.at[path[i]].function);
	}
	splice_free(s);
	frames_fini(&f);
	model_free(m);
	symtab_free(st);
	return text;
}

static const char *path_of(uint32_t node, enum model_view view)
{
	return path_seen(node, view, false);
}

/* 5 nodes: start, evaluator, call, evaluator, leaf. */
static uint32_t two_evaluators(void)
{
	memset(nodes, 0, sizeof(nodes));
	native(1, 0, 0xa);
	evaluator(2, 1);
	native(3, 2, 0xb);
	evaluator(4, 3);
	return native(5, 4, 0xc);
}

Test(splice, each_evaluator_is_replaced_by_the_frames_that_it_runs)
{
	uint32_t outer = two_evaluators();

	python(6, 0, 1, true);
	python(7, 6, 2, false);
	python(8, 7, 3, true);
	mixed(9, outer, 8);
	cr_assert_str_eq(path_of(9, MODEL_VIEW_MIXED),
			 "0xa000 outer inner 0xb000 called 0xc000");
}

Test(splice, a_stack_without_python_keeps_its_evaluators)
{
	uint32_t outer = two_evaluators();

	cr_assert_str_eq(path_of(outer, MODEL_VIEW_MIXED),
			 "0xa000 _PyEval_EvalFrameDefault 0xb000 "
			 "_PyEval_EvalFrameDefault 0xc000");
}

Test(splice, an_evaluator_too_many_is_the_outermost)
{
	uint32_t outer = two_evaluators();

	python(6, 0, 3, true);
	mixed(9, outer, 6);
	cr_assert_str_eq(path_of(9, MODEL_VIEW_MIXED),
			 "0xa000 _PyEval_EvalFrameDefault 0xb000 called "
			 "0xc000");
}

Test(splice, to_a_tick_an_evaluator_too_many_is_the_innermost)
{
	uint32_t outer = two_evaluators();

	python(6, 0, 1, true);
	python(7, 6, 2, false);
	mixed(9, outer, 7);
	cr_assert_str_eq(path_seen(9, MODEL_VIEW_MIXED, true),
			 "0xa000 outer inner 0xb000 _PyEval_EvalFrameDefault "
			 "0xc000");
}

Test(splice, to_a_tick_too_whose_python_was_cut_it_is_the_outermost)
{
	uint32_t outer = two_evaluators();

	nodes[5] = (struct wire_node) { 0, NODE_TRUNCATED << 24, 0 };
	python(7, 6, 3, true);
	mixed(9, outer, 7);
	cr_assert_str_eq(path_seen(9, MODEL_VIEW_MIXED, true),
			 "0xa000 _PyEval_EvalFrameDefault 0xb000 [truncated] "
			 "called 0xc000");
}

Test(splice, frames_too_many_go_to_the_outermost_evaluator)
{
	uint32_t outer = two_evaluators();

	python(6, 0, 1, true);
	python(7, 6, 2, true);
	python(8, 7, 3, true);
	mixed(9, outer, 8);
	cr_assert_str_eq(path_of(9, MODEL_VIEW_MIXED),
			 "0xa000 outer inner 0xb000 called 0xc000");
}

Test(splice, frames_without_any_evaluator_stand_before_the_native_ones)
{
	memset(nodes, 0, sizeof(nodes));
	native(1, 0, 0xa);
	python(2, 0, 1, true);
	python(3, 2, 3, true);
	mixed(4, 1, 3);
	cr_assert_str_eq(path_of(4, MODEL_VIEW_MIXED), "outer called 0xa000");
}

Test(splice, views_show_one_side)
{
	uint32_t outer = two_evaluators();

	python(6, 0, 1, true);
	python(8, 6, 3, true);
	mixed(9, outer, 8);
	cr_assert_str_eq(path_of(9, MODEL_VIEW_PYTHON), "outer called");
	cr_assert_str_eq(path_of(outer, MODEL_VIEW_PYTHON), "[no Python]");
	cr_assert_str_eq(path_of(9, MODEL_VIEW_NATIVE),
			 "0xa000 _PyEval_EvalFrameDefault 0xb000 "
			 "_PyEval_EvalFrameDefault 0xc000");
}

Test(splice, a_node_that_is_not_there_is_nothing)
{
	two_evaluators();
	cr_assert_str_eq(path_of(0, MODEL_VIEW_MIXED), "");
	cr_assert_str_eq(path_of(17, MODEL_VIEW_MIXED), "");
}

Test(splice, code_that_is_not_on_record_is_unknown)
{
	uint32_t outer = two_evaluators();

	python(6, 0, 9, true);
	mixed(9, outer, 6);
	cr_assert_str_eq(path_of(9, MODEL_VIEW_PYTHON), "[unknown]");
}

Test(splice, a_greenlets_stack_ends_at_its_first_function)
{
	uint32_t outer = two_evaluators();

	function(3, 2, g_initialstub);
	python(6, 0, 3, true);
	mixed(9, outer, 6);
	cr_assert_str_eq(path_of(9, MODEL_VIEW_MIXED),
			 "[greenlet] g_initialstub called 0xc000");
}
