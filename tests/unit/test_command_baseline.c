/* Which runs of a folder are the baseline. */
#include "profiler/cmd/baseline.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>

#include "profiler/analysis/measure.h"
#include "profiler/base/err.h"
#include "profiler/cmd/command.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

TestSuite(baseline, .init = scratch_enter, .fini = scratch_remove);

static const struct opt_list no_wrappers;

/* A recording of @exe that began @began seconds after the epoch. */
static void make(const char *folder, const char *exe, uint64_t began)
{
	struct recording r;
	struct lane lane;
	char path[128];

	cr_assert_eq(mkdir(folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/42.slabs", folder);
	recording_begin(&r, path, 42);
	r.header.start_realtime_ns = began * SECOND;
	snprintf(r.header.exe, sizeof(r.header.exe), "%s", exe);
	recording_module(&r, exe);
	recording_nodes(&r, 2, 2);
	lane_begin(&lane, &r, 42, 100 * SECOND);
	lane_alloc(&lane, 2, 100, 0x1000, 101 * SECOND);
	lane_seal(&lane);
	recording_end(&r, 102 * SECOND);
}

static int load(struct baseline *b, const char *path,
		const struct measure *like, struct err *err)
{
	return baseline_load(b, path, like, &no_wrappers, err);
}

static struct baseline loaded(const char *path, const struct measure *like)
{
	struct err err = ERR_INIT;
	struct baseline b;

	cr_assert_eq(load(&b, path, like, &err), 0, "%s", err.text);
	return b;
}

Test(baseline, a_recording_is_one_of_one)
{
	struct baseline b;

	make("a.strand", "/usr/bin/shop", 5);
	b = loaded("a.strand", NULL);
	cr_assert_eq(b.count, 1);
	cr_assert_str_eq(b.runs[0]->program, "shop");
	baseline_free(&b);
}

Test(baseline, of_a_folder_the_last_ten_by_when_they_began_are_taken)
{
	struct baseline b;
	char path[64];

	cr_assert_eq(mkdir("runs", 0755), 0);
	for (uint64_t i = 0; i < 13; i++) {
		/* Their names say the opposite. */
		snprintf(path, sizeof(path), "runs/%c.strand",
			 (char)('m' - (char)i));
		make(path, "/usr/bin/shop", 1000 + i);
	}
	b = loaded("runs", NULL);
	cr_assert_eq(b.count, BASELINE_MOST);
	cr_assert_eq(b.runs[0]->start_unix_ns, 1012 * SECOND);
	cr_assert_eq(b.runs[9]->start_unix_ns, 1003 * SECOND);
	baseline_free(&b);
}

Test(baseline, the_run_itself_is_not_its_own_baseline)
{
	struct baseline own, b;

	cr_assert_eq(mkdir("runs", 0755), 0);
	make("runs/1.strand", "/usr/bin/shop", 1);
	make("runs/2.strand", "/usr/bin/shop", 2);
	own = loaded("runs/2.strand", NULL);
	b = loaded("runs", own.runs[0]);
	cr_assert_eq(b.count, 1);
	cr_assert_eq(b.runs[0]->start_unix_ns, 1 * SECOND);
	baseline_free(&b);
	baseline_free(&own);
}

Test(baseline, runs_of_another_program_are_left_out_and_said)
{
	struct baseline own, b;

	cr_redirect_stderr();
	cr_assert_eq(mkdir("runs", 0755), 0);
	make("runs/1.strand", "/usr/bin/shop", 1);
	make("runs/2.strand", "/usr/bin/redis-server", 2);
	make("own.strand", "/usr/bin/shop", 3);
	own = loaded("own.strand", NULL);
	b = loaded("runs", own.runs[0]);
	cr_assert_eq(b.count, 1);
	cr_assert_str_eq(b.runs[0]->program, "shop");
	fflush(stderr);
	cr_assert_stderr_eq_str(
		"strandline: left out of the baseline: runs/2.strand is a "
		"recording of 'redis-server', not of 'shop'\n");
	baseline_free(&b);
	baseline_free(&own);
}

Test(baseline, one_that_cannot_be_read_is_left_out)
{
	struct baseline b;

	cr_redirect_stderr();
	cr_assert_eq(mkdir("runs", 0755), 0);
	make("runs/1.strand", "/usr/bin/shop", 1);
	cr_assert_eq(mkdir("runs/2.strand", 0755), 0);
	scratch_write("runs/2.strand/7.slabs", "damaged", 7);
	b = loaded("runs", NULL);
	cr_assert_eq(b.count, 1);
	baseline_free(&b);
}

Test(baseline, a_folder_without_a_run_is_refused)
{
	struct err err = ERR_INIT;
	struct baseline b;

	cr_assert_eq(mkdir("runs", 0755), 0);
	cr_assert_eq(load(&b, "runs", NULL, &err), -EINVAL);
	cr_assert_str_eq(err.text,
			 "runs is no recording, and there is none in it");
	cr_assert_eq(b.count, 0);
}

Test(baseline, what_is_not_there_is_refused)
{
	struct err err = ERR_INIT;
	struct baseline b;

	cr_assert_eq(load(&b, "nothing", NULL, &err), -ENOENT);
	cr_assert_neq(err.text[0], '\0');
}
