#include <criterion/criterion.h>

#include "profiler/base/err.h"
#include "profiler/model/model.h"
#include "profiler/trace/reader.h"
#include "profiler/trace/writer.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0 (100 * SECOND)

/* Two sites: node 4's of 30 blocks, node 8's of 20; all live. */
static void setup(void)
{
	struct recording r;
	struct lane lane;

	scratch_make();
	recording_begin(&r, scratch_path("7.slabs"), 7);
	recording_module(&r, "/usr/bin/server");
	recording_nodes(&r, 8, 4);
	lane_begin(&lane, &r, 7, T0);
	for (uint64_t i = 0; i < 30; i++)
		lane_alloc(&lane, 4, 100, 0x10000 + i * 128, T0 + i);
	for (uint64_t i = 0; i < 20; i++)
		lane_alloc(&lane, 8, 10, 0x20000 + i * 16, T0 + 100 + i);
	lane_seal(&lane);
	recording_end(&r, T0 + 60 * SECOND);
}

static void teardown(void)
{
	scratch_remove();
}

TestSuite(model_objects, .init = setup, .fini = teardown);

static void put_objects(uint64_t seconds, struct trace_objects objects)
{
	struct err err = ERR_INIT;
	struct writer *w;

	cr_assert_eq(writer_open(&w, scratch, &err), 0, "%s", err.text);
	objects.pid = 7;
	objects.at_ns = T0 + seconds * SECOND;
	cr_assert_eq(writer_objects(w, &objects), 0);
	writer_close(w);
}

static struct model *load(void)
{
	struct err err = ERR_INIT;
	struct model *m;

	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	return m;
}

/* Of the site that holds @live bytes. */
static const struct model_site *site(const struct model *m, double live)
{
	for (uint32_t i = 0; i < m->site_count; i++)
		if (m->sites[i].live.bytes == live)
			return &m->sites[i];
	cr_assert_fail("no site of %g bytes", live);
	return NULL;
}

Test(model_objects, a_site_is_what_its_stack_was_found_to_be)
{
	struct model *m;

	put_objects(10, (struct trace_objects) { .node = 4,
						 .bytes = 3000,
						 .type = "dict entries",
						 .holder = "app.cache",
						 .holder_type = "dict" });
	m = load();
	cr_expect_str_eq(site(m, 3000)->object_type, "dict entries");
	cr_expect_str_eq(site(m, 3000)->holder, "app.cache");
	cr_expect_str_eq(site(m, 3000)->holder_type, "dict");
	cr_expect_null(site(m, 200)->object_type);
	model_free(m);
}

Test(model_objects, the_last_scan_counts)
{
	struct model *m;

	put_objects(20, (struct trace_objects) { .node = 8,
						 .type = "str",
						 .holder = "",
						 .holder_type = "" });
	put_objects(10, (struct trace_objects) { .node = 8,
						 .bytes = 5000,
						 .type = "list",
						 .holder = "app.old",
						 .holder_type = "list" });
	m = load();
	cr_expect_str_eq(site(m, 200)->object_type, "str");
	cr_expect_null(site(m, 200)->holder);
	model_free(m);
}

Test(model_objects, another_image_of_the_process_is_another)
{
	struct model *m;

	put_objects(10, (struct trace_objects) { .image = 1,
						 .node = 4,
						 .type = "str",
						 .holder = "",
						 .holder_type = "" });
	m = load();
	cr_expect_null(site(m, 3000)->object_type);
	model_free(m);
}
