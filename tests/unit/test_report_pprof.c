/*
 * pprof.  The golden files are what is inside the gzip, so that another zlib
 * gives the same; tests/e2e/test_report_formats.py has protoc and Go's pprof
 * read them.
 */
#include <criterion/criterion.h>
#include <profile.pb-c.h>
#include <zlib.h>

#include "tests/unit/fixture_model.h"
#include "tests/unit/golden.h"

static struct fixture one, two;

/* The report, unpacked from its gzip. */
static struct buf unzipped(const struct model *m,
			   const struct report_options *opt)
{
	struct buf packed = golden_report("pprof", m, opt), out = BUF_INIT;
	char piece[4096];
	z_stream z = { .next_in = (unsigned char *)packed.bytes,
		       .avail_in = (uInt)packed.len };
	int rc;

	cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
	do {
		z.next_out = (unsigned char *)piece;
		z.avail_out = sizeof(piece);
		rc = inflate(&z, Z_NO_FLUSH);
		buf_write(&out, piece, sizeof(piece) - z.avail_out);
	} while (rc == Z_OK);
	cr_assert_eq(rc, Z_STREAM_END);
	cr_assert_eq(z.avail_in, 0);
	inflateEnd(&z);
	buf_free(&packed);
	return out;
}

static Pprof__Profile *profile_of(const struct model *m,
				  const struct report_options *opt)
{
	struct buf bytes = unzipped(m, opt);
	Pprof__Profile *p =
		pprof__profile__unpack(NULL, bytes.len, (uint8_t *)bytes.bytes);

	cr_assert_not_null(p);
	buf_free(&bytes);
	return p;
}

static void check_golden(const char *name, const struct model *m)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	struct buf out = unzipped(m, &opt);

	golden_check(name, &out);
	buf_free(&out);
}

static const char *type_name(const Pprof__Profile *p, size_t i)
{
	return p->string_table[p->sample_type[i]->type];
}

static const char *line_name(const Pprof__Profile *p, const Pprof__Line *line)
{
	return p->string_table[p->function[line->function_id - 1]->name];
}

static void check_location(const Pprof__Profile *p, const Pprof__Location *l)
{
	cr_assert_leq(l->mapping_id, p->n_mapping);
	cr_assert_gt(l->n_line, 0);
	for (size_t i = 0; i < l->n_line; i++) {
		cr_assert_gt(l->line[i]->function_id, 0);
		cr_assert_leq(l->line[i]->function_id, p->n_function);
	}
}

static void check_sample(const Pprof__Profile *p, const Pprof__Sample *s)
{
	cr_assert_eq(s->n_value, p->n_sample_type);
	cr_assert_gt(s->n_location_id, 0);
	for (size_t i = 0; i < s->n_location_id; i++) {
		cr_assert_gt(s->location_id[i], 0);
		cr_assert_leq(s->location_id[i], p->n_location);
	}
}

/* Ids count from 1, and every one that is referred to is there. */
static void check_closed(const struct model *m)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	Pprof__Profile *p = profile_of(m, &opt);

	cr_assert_str_eq(p->string_table[0], "");
	for (size_t i = 0; i < p->n_sample; i++)
		check_sample(p, p->sample[i]);
	for (size_t i = 0; i < p->n_location; i++) {
		cr_assert_eq(p->location[i]->id, i + 1);
		check_location(p, p->location[i]);
	}
	for (size_t i = 0; i < p->n_function; i++) {
		cr_assert_eq(p->function[i]->id, i + 1);
		cr_assert_lt(p->function[i]->name, p->n_string_table);
		cr_assert_lt(p->function[i]->filename, p->n_string_table);
	}
	for (size_t i = 0; i < p->n_mapping; i++)
		cr_assert_eq(p->mapping[i]->id, i + 1);
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, a_rag_server_is_written_as_agreed)
{
	check_golden("rag.pprof", fixture_rag(&one, false));
}

Test(report_pprof, hostile_names_are_texts)
{
	check_golden("hostile.pprof", fixture_hostile(&one));
}

Test(report_pprof, an_empty_recording_is_a_profile_without_samples)
{
	check_golden("empty.pprof", fixture_empty(&one));
}

Test(report_pprof, all_that_is_referred_to_is_there)
{
	check_closed(fixture_rag(&one, false));
	check_closed(fixture_hostile(&one));
	check_closed(fixture_empty(&one));
}

Test(report_pprof, insertion_order_does_not_show)
{
	struct report_options opt = { .kind = MODEL_LIVE };

	golden_check_equal("pprof", fixture_rag(&one, false),
			   fixture_rag(&two, true), &opt);
}

Test(report_pprof, the_four_types_of_a_heap_come_in_their_order)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	Pprof__Profile *p = profile_of(fixture_rag(&one, false), &opt);

	cr_assert_eq(p->n_sample_type, 4);
	cr_assert_str_eq(type_name(p, 0), "alloc_objects");
	cr_assert_str_eq(type_name(p, 1), "alloc_space");
	cr_assert_str_eq(type_name(p, 2), "inuse_objects");
	cr_assert_str_eq(type_name(p, 3), "inuse_space");
	cr_assert_str_eq(p->string_table[p->default_sample_type],
			 "inuse_space");
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, another_kind_is_a_fifth_type_and_the_default)
{
	struct report_options opt = { .kind = MODEL_PEAK };
	Pprof__Profile *p = profile_of(fixture_rag(&one, false), &opt);

	cr_assert_eq(p->n_sample_type, 5);
	cr_assert_str_eq(type_name(p, 4), "peak_space");
	cr_assert_str_eq(p->string_table[p->default_sample_type], "peak_space");
	cr_assert_eq(p->sample[0]->value[4], 125 << 20);
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, values_are_the_estimates_whole)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	Pprof__Profile *p = profile_of(fixture_rag(&one, false), &opt);
	const Pprof__Sample *s = p->sample[0];

	cr_assert_eq(s->value[0], 2880);
	cr_assert_eq(s->value[1], 130 << 20);
	cr_assert_eq(s->value[2], 960);
	cr_assert_eq(s->value[3], 120 << 20);
	cr_assert_eq(p->period, 512 * 1024);
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, an_inlined_call_shares_its_callers_location)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	Pprof__Profile *p = profile_of(fixture_rag(&one, false), &opt);
	const Pprof__Sample *s = p->sample[0];
	const Pprof__Location *leaf = p->location[s->location_id[0] - 1];

	cr_assert_eq(s->n_location_id, 7);
	cr_assert_eq(leaf->n_line, 2);
	cr_assert_str_eq(line_name(p, leaf->line[0]),
			 "std::vector<float, std::allocator<float> >::"
			 "push_back(float const&)");
	cr_assert_eq(leaf->line[0]->line, 1287);
	cr_assert_str_eq(line_name(p, leaf->line[1]),
			 "rag::Index::add(float const*, long)");
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, the_first_mapping_is_the_servers_program)
{
	struct report_options opt = { .kind = MODEL_LIVE };
	Pprof__Profile *p = profile_of(fixture_rag(&one, false), &opt);

	cr_assert_str_eq(p->string_table[p->mapping[0]->filename],
			 "/usr/bin/python3.11");
	pprof__profile__free_unpacked(p, NULL);
}

/* Sample @i's only label, or NULL. */
static const char *endpoint_of(const Pprof__Profile *p, size_t i)
{
	const Pprof__Sample *s = p->sample[i];

	if (s->n_label == 0)
		return NULL;
	cr_assert_eq(s->n_label, 1);
	cr_assert_str_eq(p->string_table[s->label[0]->key], "endpoint");
	return p->string_table[s->label[0]->str];
}

Test(report_pprof, what_endpoints_did_are_samples_that_add_up)
{
	static const struct model_charge charges[] = {
		{ "GET /health", 0, 10 * MIB, 0, 0 },
		{ "POST /chat", 100 * MIB, 110 * MIB, 105 * MIB, 0 },
	};
	struct report_options opt = { .kind = MODEL_LIVE };
	const struct model *m = fixture_rag(&one, false);
	Pprof__Profile *p;

	one.sites[0].charges = charges;
	one.sites[0].charge_count = 2;
	p = profile_of(m, &opt);
	cr_assert_str_eq(endpoint_of(p, 0), "GET /health");
	cr_assert_str_eq(endpoint_of(p, 1), "POST /chat");
	cr_assert_null(endpoint_of(p, 2));
	cr_assert_eq(p->sample[0]->value[3], 0);
	cr_assert_eq(p->sample[1]->value[3], 100 << 20);
	cr_assert_eq(p->sample[2]->value[3], 20 << 20);
	cr_assert_eq(p->sample[0]->value[2] + p->sample[1]->value[2] +
			     p->sample[2]->value[2],
		     960);
	pprof__profile__free_unpacked(p, NULL);
}

/* The text of sample @i's label @key, or NULL. */
static const char *label_of(const Pprof__Profile *p, size_t i, const char *key)
{
	const Pprof__Sample *s = p->sample[i];

	for (size_t k = 0; k < s->n_label; k++)
		if (!strcmp(p->string_table[s->label[k]->key], key))
			return p->string_table[s->label[k]->str];
	return NULL;
}

Test(report_pprof, what_threads_did_for_an_endpoint_adds_up_to_what_it_did)
{
	static const struct model_charge charges[] = {
		{ "POST /chat", 100 * MIB, 110 * MIB, 105 * MIB, 0 },
	};
	static const struct model_maker makers[] = {
		{ NULL, 0, 15 * MIB, 3, 15 * MIB, 3 },
		{ "POST /chat", 0, 60 * MIB, 30, 61 * MIB, 31 },
		{ "POST /chat", 1, 30 * MIB, 20, 33 * MIB, 22 },
	};
	struct report_options opt = { .kind = MODEL_LIVE };
	const struct model *m = fixture_rag(&one, false);
	int64_t live = 0;
	Pprof__Profile *p;

	one.sites[0].charges = charges;
	one.sites[0].charge_count = 1;
	one.sites[0].makers = makers;
	one.sites[0].maker_count = 3;
	p = profile_of(m, &opt);
	cr_assert_str_eq(label_of(p, 0, "thread"), "python3 (4242)");
	cr_assert_str_eq(label_of(p, 0, "endpoint"), "POST /chat");
	cr_assert_eq(p->sample[0]->value[3], 60 << 20);
	cr_assert_str_eq(label_of(p, 1, "thread"), "openblas \"0\" (4251)");
	cr_assert_str_eq(label_of(p, 1, "endpoint"), "POST /chat");
	cr_assert_null(label_of(p, 2, "thread"));
	cr_assert_str_eq(label_of(p, 2, "endpoint"), "POST /chat");
	cr_assert_eq(p->sample[2]->value[3], 10 << 20);
	cr_assert_str_eq(label_of(p, 3, "thread"), "python3 (4242)");
	cr_assert_null(label_of(p, 3, "endpoint"));
	for (size_t i = 0; i < 5; i++)
		live += p->sample[i]->value[3];
	cr_assert_eq(live, 120 << 20);
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, a_mapping_has_the_build_id_of_its_file)
{
	static struct model_module modules[] = {
		{ "/usr/bin/python3.10", "aa" },
		{ "/usr/bin/python3.11", "0123456789abcdef" },
	};
	struct report_options opt = { .kind = MODEL_LIVE };
	const struct model *m = fixture_rag(&one, false);
	Pprof__Profile *p;

	one.model.modules = modules;
	one.model.module_count = 2;
	p = profile_of(m, &opt);
	cr_assert_str_eq(p->string_table[p->mapping[0]->build_id],
			 "0123456789abcdef");
	cr_assert_eq(p->mapping[1]->build_id, 0);
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, time_is_counted_in_nanoseconds)
{
	struct report_options opt = { .kind = MODEL_CPU };
	const struct model *m = fixture_rag(&one, false);
	Pprof__Profile *p;

	one.sites[0].cpu = 2.5e9;
	p = profile_of(m, &opt);
	cr_assert_str_eq(type_name(p, 4), "cpu");
	cr_assert_str_eq(p->string_table[p->sample_type[4]->unit],
			 "nanoseconds");
	cr_assert_eq(p->sample[0]->value[4], 2500000000);
	pprof__profile__free_unpacked(p, NULL);
}

Test(report_pprof, a_stack_whose_frames_are_hidden_keeps_its_bytes)
{
	struct report_options opt = { .kind = MODEL_LIVE, .python_only = true };
	Pprof__Profile *p = profile_of(fixture_rag(&one, false), &opt);
	bool hidden = false;

	for (size_t i = 0; i < p->n_location; i++)
		hidden |= strcmp(line_name(p, p->location[i]->line[0]),
				 "[hidden]") == 0;
	cr_assert(hidden);
	pprof__profile__free_unpacked(p, NULL);
}
