/*
 * JSON.  That it is valid and keeps to reports/schema.json is held by
 * tests/e2e/test_report_schema.py on the same golden files.
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>

#include "reports/emit.h"
#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

static json_t *parsed(const struct model *m, const struct report_options *opt)
{
	struct buf out = golden_report("json", m, opt);
	json_error_t error;
	json_t *root = json_loadb(out.bytes, out.len, 0, &error);

	cr_assert_not_null(root, "line %d: %s", error.line, error.text);
	buf_free(&out);
	return root;
}

static json_t *site(json_t *root, size_t i)
{
	return json_array_get(json_object_get(root, "sites"), i);
}

static const char *text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

Test(report_json, a_rag_server_is_written_as_agreed)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("rag.json", "json", fixture_rag(&one, false), &opt);
}

Test(report_json, hostile_names_stay_inside_their_strings)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	json_t *root = parsed(fixture_hostile(&one), &opt), *stack;

	golden_check_report("hostile.json", "json", fixture_hostile(&one),
			    &opt);
	stack = json_object_get(site(root, 0), "stack");
	cr_assert_eq(json_array_size(stack), 5);
	cr_assert_str_eq(text(json_array_get(stack, 1), "function"),
			 "a;b\nc ]]> -->");
	cr_assert_str_eq(text(json_array_get(stack, 1), "module"),
			 "\"quoted\".so");
	json_decref(root);
}

Test(report_json, an_empty_recording_has_every_key)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_report("empty.json", "json", fixture_empty(&one), &opt);
}

Test(report_json, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_equal("json", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_json, sites_come_heaviest_first_in_the_kind_asked_for)
{
	struct report_options opt = { .kind = MODEL_TEMPORARY, .top = 2 };
	json_t *root = parsed(fixture_rag(&one, false), &opt);

	cr_assert_eq(json_array_size(json_object_get(root, "sites")), 2);
	cr_assert_str_eq(text(site(root, 0), "function"),
			 "PyArray_NewFromDescr_int");
	cr_assert_str_eq(text(site(root, 1), "function"), "do_mmap");
	json_decref(root);
}

Test(report_json, stacks_are_root_first)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	json_t *root = parsed(fixture_rag(&one, false), &opt), *stack;

	stack = json_object_get(site(root, 0), "stack");
	cr_assert_eq(json_array_size(stack), 8);
	cr_assert_str_eq(text(json_array_get(stack, 0), "function"), "_start");
	cr_assert_str_eq(text(json_array_get(stack, 6), "function"),
			 "rag::Index::add(float const*, long)");
	json_decref(root);
}

Test(report_json, numbers_are_whole_and_unabbreviated)
{
	struct buf out = BUF_INIT;
	struct emit e = { .out = &out };

	emit_open(&e, '[');
	emit_real(&e, 1e15, 0);
	emit_real(&e, 0.1, 6);
	emit_real(&e, 120, 3);
	emit_real(&e, -0.0000001, 3);
	emit_unsigned(&e, UINT64_MAX);
	emit_integer(&e, -5);
	emit_close(&e, ']');
	cr_assert_str_eq(
		out.bytes,
		"[1000000000000000,0.1,120,0,18446744073709551615,-5]");
	buf_free(&out);
}

Test(report_json, what_is_not_a_number_is_null)
{
	struct buf out = BUF_INIT;
	struct emit e = { .out = &out };

	emit_open(&e, '[');
	emit_real(&e, NAN, 2);
	emit_real(&e, INFINITY, 0);
	emit_text(&e, NULL);
	emit_close(&e, ']');
	cr_assert_str_eq(out.bytes, "[null,null,null]");
	buf_free(&out);
}

/* Of @count sites each holds more than the one before it, and asked for less.
 */
static const struct model *many_sites(struct model_site *sites, uint32_t count)
{
	fixture_rag(&one, false);
	memset(sites, 0, count * sizeof(*sites));
	for (uint32_t i = 0; i < count; i++) {
		sites[i].node = one.sites[0].node;
		sites[i].live.bytes = i + 1;
		sites[i].allocated.bytes = 2 * count - i;
	}
	one.model.sites = sites;
	one.model.site_count = count;
	return &one.model;
}

static size_t listed(const struct model *m, size_t top, double least_live)
{
	struct report_options opt = { .kind = MODEL_LIVE, .top = top };
	json_t *root = parsed(m, &opt), *sites, *one_site;
	size_t i, count = 0;

	sites = json_object_get(root, "sites");
	json_array_foreach(sites, i, one_site)
	{
		json_t *live = json_object_get(one_site, "live");

		live = json_object_get(json_object_get(live, "bytes"), "value");
		count += json_number_value(live) >= least_live;
	}
	json_decref(root);
	return count;
}

Test(report_json, of_very_many_sites_the_heaviest_by_any_figure_are_listed)
{
	static struct model_site sites[5000];
	const struct model *m = many_sites(sites, 5000);

	cr_expect_eq(listed(m, 0, 0), 2000);
	cr_expect_eq(listed(m, 0, 4001), 1000);
	cr_expect_eq(listed(m, 0, 1001), 1000);
}

Test(report_json, many_sites_are_all_listed_where_they_are_asked_for)
{
	static struct model_site sites[5000];

	cr_expect_eq(listed(many_sites(sites, 5000), 9999, 0), 5000);
	cr_expect_eq(listed(many_sites(sites, 2000), 0, 0), 2000);
}
