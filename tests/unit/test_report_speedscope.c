/*
 * speedscope: held to the facts of its published file format
 * (file-format-spec.ts), of which the viewer checks little and fails on much.
 * tests/e2e/test_report_formats.py opens the golden files in the viewer.
 */
#include <criterion/criterion.h>
#include <jansson.h>

#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

static json_t *parsed(const struct model *m, const struct report_options *opt)
{
	struct buf out = golden_report("speedscope", m, opt);
	json_error_t error;
	json_t *root = json_loadb(out.bytes, out.len, 0, &error);

	cr_assert_not_null(root, "line %d: %s", error.line, error.text);
	buf_free(&out);
	return root;
}

static const char *text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_t *profile(json_t *root, size_t i)
{
	return json_array_get(json_object_get(root, "profiles"), i);
}

static json_t *frames(json_t *root)
{
	return json_object_get(json_object_get(root, "shared"), "frames");
}

static void check_frames(json_t *root)
{
	json_t *frame, *line;
	size_t i;

	cr_assert(json_is_array(frames(root)));
	json_array_foreach(frames(root), i, frame)
	{
		cr_assert(json_is_string(json_object_get(frame, "name")));
		line = json_object_get(frame, "line");
		cr_assert(!line || json_integer_value(line) > 0);
	}
}

static void check_sample(json_t *root, json_t *sample)
{
	json_t *index;
	size_t i;

	cr_assert_gt(json_array_size(sample), 0);
	json_array_foreach(sample, i, index)
	{
		cr_assert_geq(json_integer_value(index), 0);
		cr_assert_lt(json_integer_value(index),
			     json_array_size(frames(root)));
	}
}

static void check_profile(json_t *root, json_t *p)
{
	json_t *samples = json_object_get(p, "samples");
	json_t *weights = json_object_get(p, "weights"), *sample;
	json_int_t sum = 0;
	size_t i;

	cr_assert_str_eq(text(p, "type"), "sampled");
	cr_assert_str_eq(text(p, "unit"), "bytes");
	cr_assert_not_null(text(p, "name"));
	cr_assert_eq(json_array_size(samples), json_array_size(weights));
	json_array_foreach(samples, i, sample)
	{
		check_sample(root, sample);
		sum += json_integer_value(json_array_get(weights, i));
	}
	cr_assert_eq(json_integer_value(json_object_get(p, "startValue")), 0);
	cr_assert_eq(json_integer_value(json_object_get(p, "endValue")), sum);
}

static void check_format(const struct model *m)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	json_t *root = parsed(m, &opt), *p;
	size_t i;

	cr_assert_str_eq(text(root, "$schema"),
			 "https://www.speedscope.app/file-format-schema.json");
	cr_assert_gt(json_array_size(json_object_get(root, "profiles")), 0);
	check_frames(root);
	json_array_foreach(json_object_get(root, "profiles"), i, p)
		check_profile(root, p);
	json_decref(root);
}

Test(report_speedscope, a_rag_server_is_written_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("rag.speedscope", "speedscope",
			    fixture_rag(&one, false), &opt);
}

Test(report_speedscope, hostile_names_stay_inside_their_strings)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("hostile.speedscope", "speedscope",
			    fixture_hostile(&one), &opt);
}

Test(report_speedscope, the_file_keeps_to_the_published_format)
{
	check_format(fixture_rag(&one, false));
	check_format(fixture_hostile(&one));
	check_format(fixture_empty(&one));
}

Test(report_speedscope, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_PEAK };

	golden_check_equal("speedscope", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_speedscope, every_kind_that_weighs_something_is_in_it)
{
	struct report_options opt = { .kind = MODEL_PEAK };
	json_t *root = parsed(fixture_rag(&one, false), &opt);

	cr_assert_eq(json_array_size(json_object_get(root, "profiles")), 4);
	cr_assert_str_eq(text(profile(root, 0), "name"), "live memory");
	cr_assert_str_eq(text(profile(root, 1), "name"), "allocated memory");
	cr_assert_str_eq(text(profile(root, 3), "name"), "temporary memory");
	json_decref(root);
}

Test(report_speedscope, the_kind_asked_for_is_shown_first)
{
	struct report_options opt = { .kind = MODEL_PEAK };
	json_t *root = parsed(fixture_rag(&one, false), &opt);

	cr_assert_eq(json_integer_value(
			     json_object_get(root, "activeProfileIndex")),
		     2);
	cr_assert_str_eq(text(profile(root, 2), "name"),
			 "memory live at the peak");
	json_decref(root);
}

Test(report_speedscope, an_empty_recording_is_written_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("empty.speedscope", "speedscope",
			    fixture_empty(&one), &opt);
}

Test(report_speedscope, an_empty_recording_has_the_profile_asked_for)
{
	struct report_options opt = { .kind = MODEL_LEAK };
	json_t *root = parsed(fixture_empty(&one), &opt);

	cr_assert_eq(json_array_size(json_object_get(root, "profiles")), 1);
	json_decref(root);
}
