#include <criterion/criterion.h>

#include "profiler/base/err.h"
#include "profiler/model/model.h"
#include "profiler/trace/fold.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0   (100 * SECOND)
#define HEAP 0x7f0000000000

TestSuite(levels, .init = scratch_make, .fini = scratch_remove);

static struct model *load(void)
{
	struct err err = ERR_INIT;
	struct model *m;

	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	return m;
}

#define WINDOW FOLD_WINDOW_NS

/* One stack; 100 bytes each window, of which every other block is freed in
 * the window after. */
static void write_process(const char *name, int32_t pid, uint64_t first,
			  uint64_t windows)
{
	uint64_t from = first * WINDOW;
	static struct recording r;
	static struct lane lane;

	recording_begin(&r, scratch_path(name), pid);
	r.header.start_monotonic_ns = r.header.start_ticks = T0 + from;
	recording_module(&r, "/usr/bin/server");
	recording_nodes(&r, 10, 10);
	lane_begin(&lane, &r, (uint32_t)pid, T0 + from);
	for (uint64_t i = 0; i < windows; i++) {
		uint64_t at = T0 + from + i * WINDOW + WINDOW / 2;

		lane_alloc(&lane, 5, 100, HEAP + i * 64, at);
		if (i % 2)
			lane_free(&lane, HEAP + i * 64 - 64, at + 1);
	}
	lane_seal(&lane);
	recording_end(&r, T0 + from + windows * WINDOW);
}

Test(levels, a_site_has_the_level_of_each_window)
{
	struct model_level levels[10];
	struct model *m;

	write_process("1.slabs", 1, 0, 10);
	m = load();
	cr_assert_eq(m->window_count, 10);
	cr_assert_eq(m->site_count, 1);
	model_levels(m, &m->sites[0], levels);
	cr_expect_eq(levels[0].end, 100);
	cr_expect_eq(levels[0].old, 0);
	cr_expect_eq(levels[3].end, 200);
	cr_expect_eq(levels[3].low, 100 + 100);
	cr_expect_eq(levels[3].old, 100);
	cr_expect_eq(levels[9].end, 500);
	cr_expect_eq(levels[9].count, 5);
	cr_expect_eq(levels[9].allocated, 100);
	model_free(m);
}

Test(levels, the_windows_total_what_the_sites_hold)
{
	struct model *m;

	write_process("1.slabs", 1, 0, 10);
	m = load();
	cr_expect_eq(m->windows[9].live_bytes, 500);
	cr_expect_eq(m->windows[9].t, 9 * 0.25);
	cr_expect_eq(m->windows[4].allocated_bytes, 100);
	cr_expect_eq(m->window_seconds, 0.25);
	model_free(m);
}

Test(levels, a_process_that_ended_holds_nothing_any_more)
{
	struct model_level levels[20];
	struct model *m;

	write_process("1.slabs", 1, 0, 20);
	write_process("2.slabs", 2, 2, 4);
	m = load();
	cr_assert_eq(m->window_count, 20);
	cr_assert_eq(m->site_count, 1);
	model_levels(m, &m->sites[0], levels);
	cr_expect_eq(levels[1].end, 100);
	cr_expect_eq(levels[5].end, 300 + 200);
	cr_expect_eq(levels[6].end, 400);
	cr_expect_eq(m->windows[6].live_bytes, 400);
	cr_expect_eq(levels[19].end, 1000);
	model_free(m);
}

/* Of 500 windows four are one; of the other's 60 none are. */
Test(levels, narrow_windows_are_joined_in_wide_ones)
{
	struct model_level levels[125];
	struct model *m;

	write_process("1.slabs", 1, 0, 500);
	write_process("2.slabs", 2, 40, 60);
	m = load();
	cr_assert_eq(m->window_seconds, 1);
	cr_assert_eq(m->window_count, 125);
	model_levels(m, &m->sites[0], levels);
	cr_expect_eq(levels[9].end, 2000);
	cr_expect_eq(levels[10].end, 2200 + 200);
	cr_expect_eq(levels[10].allocated, 800);
	cr_expect_eq(levels[24].end, 5000 + 3000);
	cr_expect_eq(levels[25].end, 5200);
	cr_expect_eq(m->windows[24].live_bytes, 8000);
	model_free(m);
}

Test(levels, a_quiet_window_keeps_what_was_there)
{
	struct model_level levels[3] = { { 0 } };
	const struct model_level kept[] = {
		{ .window = 1, .end = 7, .old = 2, .allocated = 7 }
	};
	struct model_site site = { .levels = kept, .level_count = 1 };
	struct model m = { .window_count = 3 };

	model_levels(&m, &site, levels);
	cr_expect_eq(levels[0].end, 0);
	cr_expect_eq(levels[2].end, 7);
	cr_expect_eq(levels[2].low, 7);
	cr_expect_eq(levels[2].old, 7);
	cr_expect_eq(levels[2].allocated, 0);
}
