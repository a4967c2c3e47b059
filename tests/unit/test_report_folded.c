/* Folded stacks. */
#include <criterion/criterion.h>

#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

static void check_folded(const struct model *m,
			 const struct report_options *opt, const char *expected)
{
	struct buf out = golden_report("folded", m, opt);

	cr_assert_str_eq(out.bytes ? out.bytes : "", expected);
	buf_free(&out);
}

Test(report_folded, a_rag_server_folds_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("rag.folded", "folded", fixture_rag(&one, false),
			    &opt);
}

Test(report_folded, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_PEAK };

	golden_check_equal("folded", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_folded, separators_in_names_are_replaced)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	check_folded(fixture_hostile(&one), &opt,
		     "<script>alert(1)</script>;a_b_c ]]> -->;_[31mred_;bad "
		     "������ utf; (x, \"y\".py:4294967295) 3000\n"
		     "<script>alert(1)</script>;検索::поиск 1000\n");
}

Test(report_folded, a_kind_without_weight_gives_no_line)
{
	struct report_options opt = { .kind = MODEL_TEMPORARY };

	check_folded(fixture_hostile(&one), &opt, "");
	check_folded(fixture_empty(&one), &opt, "");
}

Test(report_folded, less_than_half_a_byte_gives_no_line)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	fixture_hostile(&one);
	one.sites[0].live.bytes = 0.4;
	check_folded(&one.model, &opt,
		     "<script>alert(1)</script>;検索::поиск 1000\n");
}

Test(report_folded, stacks_that_read_the_same_are_one)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	static const int8_t first[] = { 0, 1, FIXTURE_END_FRAMES };
	static const int8_t second[] = { 0, 2, FIXTURE_END_FRAMES };

	fixture_begin(&one);
	one.frames[0] =
		(struct model_frame) { .function = "main", .module = "a" };
	one.frames[1] = (struct model_frame) { .function = "f",
					       .module = "a",
					       .line = 3 };
	one.frames[2] = (struct model_frame) { .function = "f", .module = "b" };
	one.model.frame_count = 3;
	fixture_site(&one, first)->live.bytes = 10;
	fixture_site(&one, second)->live.bytes = 32;
	check_folded(&one.model, &opt, "main;f 42\n");
}

Test(report_folded, frames_can_be_hidden_by_language)
{
	struct report_options opt = { .kind = MODEL_LIVE, .python_only = true };

	golden_check_report("rag_python.folded", "folded",
			    fixture_rag(&one, false), &opt);
	opt = (struct report_options) { .kind = MODEL_LIVE,
					.native_only = true };
	golden_check_report("rag_native.folded", "folded",
			    fixture_rag(&one, false), &opt);
}

Test(report_folded, the_kernels_frames_are_marked)
{
	struct report_options opt = { .kind = MODEL_TEMPORARY };
	struct buf out =
		golden_report("folded", fixture_rag(&one, false), &opt);

	cr_assert_not_null(strstr(
		out.bytes,
		"start_thread;blas_memory_alloc;do_mmap_[k] 67108864\n"));
	buf_free(&out);
}
