#include <criterion/criterion.h>
#include <stdio.h>

#include "profiler/base/err.h"
#include "profiler/model/model.h"
#include "profiler/trace/probefile.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0 (100 * SECOND)

TestSuite(model_main, .init = scratch_make, .fini = scratch_remove);

/* A process of that many live blocks and answered requests, for a minute. */
static void process(int32_t pid, uint64_t blocks, unsigned requests,
		    uint64_t seconds)
{
	const char *const routes[] = { "GET /a", NULL };
	struct recording r;
	struct lane lane;
	char name[32];

	snprintf(name, sizeof(name), "%d.slabs", pid);
	recording_begin(&r, scratch_path(name), pid);
	recording_module(&r, "/usr/sbin/server");
	recording_nodes(&r, 4, 4);
	recording_routes(&r, routes);
	lane_begin(&lane, &r, (uint32_t)pid, T0);
	for (uint64_t i = 0; i < blocks; i++)
		lane_alloc(&lane, 4, 1000, 0x10000 + i * 1024, T0 + i);
	for (unsigned i = 0; i < requests; i++)
		lane_request(&lane, 1, 200, 0, 1000, T0 + SECOND + i);
	lane_seal(&lane);
	recording_end(&r, T0 + seconds * SECOND);
}

static int32_t main_pid(void)
{
	struct err err = ERR_INIT;
	struct model *m;
	int32_t pid;

	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_assert_lt(m->main_process, m->process_count);
	pid = m->processes[m->main_process].pid;
	cr_expect(m->processes[m->main_process].is_main);
	model_free(m);
	return pid;
}

Test(model_main, a_master_that_holds_more_is_not_the_server)
{
	process(7, 500, 0, 60);
	process(8, 20, 30, 60);
	process(9, 20, 10, 60);
	cr_expect_eq(main_pid(), 8);
}

Test(model_main, without_requests_it_is_who_holds_most)
{
	process(7, 20, 0, 60);
	process(8, 500, 0, 60);
	cr_expect_eq(main_pid(), 8);
}

Test(model_main, one_that_came_and_went_is_not_the_server)
{
	process(7, 20, 5, 60);
	process(8, 500, 30, 10);
	cr_expect_eq(main_pid(), 7);
}

static void check_mode(const char *mode, bool probed)
{
	struct err err = ERR_INIT;
	struct model *m;

	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	cr_expect_str_eq(m->mode, mode);
	cr_expect_eq(m->probed, probed);
	model_free(m);
}

static void probe(int32_t pid)
{
	const struct probefile_process server = { .pid = pid,
						  .ppid = 1,
						  .exe = "/usr/sbin/server",
						  .command = "server",
						  .command_size = 7,
						  .comm = "server" };
	struct err err = ERR_INIT;
	struct probefile *f;

	cr_assert_eq(probefile_create(&f, scratch, &server, &err), 0, "%s",
		     err.text);
	probefile_close(f);
}

Test(model_main, probes_beside_the_recorder_leave_it_its_mode)
{
	process(7, 20, 5, 60);
	check_mode("exact", false);
	probe(7);
	check_mode("exact", true);
}

Test(model_main, without_a_recorder_probes_are_the_mode)
{
	probe(7);
	check_mode("probes", true);
}
