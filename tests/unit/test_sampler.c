#include "profiler/proc/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/fixture_proc.h"

/* What the sampler told. */
struct told {
	size_t readings, with_parts, began, ended;
	struct usage last;
	char exe[128];
	pid_t ended_pid;
};

static struct told told;
static struct sampler *sampler;

static void reading(void *ctx, const struct usage *u)
{
	struct told *t = ctx;

	t->readings++;
	t->with_parts += u->heap != USAGE_UNSEEN;
	t->last = *u;
}

static void began(void *ctx, const struct sampler_process *p)
{
	struct told *t = ctx;

	t->began++;
	snprintf(t->exe, sizeof(t->exe), "%s", p->exe);
}

static void ended(void *ctx, pid_t pid)
{
	struct told *t = ctx;

	t->ended++;
	t->ended_pid = pid;
}

#define HOUR_NS 3600000000000ULL /* so that no tick is due */

static void open_sampler(const char *root, uint64_t interval_ns)
{
	struct sampler_options opt = {
		.root = root,
		.interval_ns = interval_ns,
		.children = true,
		.events = { &told, reading, began, ended },
	};

	cr_assert_eq(sampler_open(&sampler, &opt, NULL), 0);
}

static void setup(void)
{
	told = (struct told) { 0 };
	fixture_dir_make();
	proc_put_server();
	open_sampler(fixture_dir, HOUR_NS);
}

static void teardown(void)
{
	sampler_close(sampler);
	fixture_dir_remove();
}

TestSuite(sampler, .init = setup, .fini = teardown);

Test(sampler, a_new_process_is_read_at_once_and_in_parts)
{
	cr_assert_eq(sampler_add(sampler, 42), 0);
	cr_assert_eq(told.readings, 1);
	cr_assert_eq(told.with_parts, 1);
	cr_assert_eq(told.began, 1);
	cr_assert_eq(told.last.pid, 42);
}

Test(sampler, a_process_joins_once)
{
	cr_assert_eq(sampler_add(sampler, 42), 0);
	cr_assert_eq(sampler_add(sampler, 42), 0);
	cr_assert_eq(sampler_count(sampler), 1);
	cr_assert_eq(told.readings, 1);
}

Test(sampler, a_missing_process_does_not_join)
{
	cr_assert_eq(sampler_add(sampler, 41), -ESRCH);
	cr_assert_eq(sampler_count(sampler), 0);
	cr_assert_eq(told.began, 0);
}

Test(sampler, a_tick_before_its_time_reads_nobody)
{
	sampler_add(sampler, 42);
	sampler_tick(sampler);
	cr_assert_eq(told.readings, 1);
}

Test(sampler, the_reading_before_an_end_has_parts)
{
	sampler_add(sampler, 42);
	sampler_read_all(sampler);
	cr_assert_eq(told.readings, 2);
	cr_assert_eq(told.with_parts, 2);
}

Test(sampler, a_process_that_ended_leaves_and_is_told)
{
	sampler_add(sampler, 42);
	proc_put("42/stat", "42 (py) Z 7 42 40 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 "
			    "0 5000 0 0\n");
	sampler_read_all(sampler);
	cr_assert_eq(told.ended, 1);
	cr_assert_eq(told.ended_pid, 42);
	cr_assert(!sampler_has(sampler, 42));
}

Test(sampler, a_process_taken_out_is_not_told)
{
	sampler_add(sampler, 42);
	cr_assert(sampler_remove(sampler, 42));
	cr_assert(!sampler_remove(sampler, 42));
	sampler_read_all(sampler);
	cr_assert_eq(told.readings, 1);
	cr_assert_eq(told.ended, 0);
}

static void tick(void)
{
	struct pollfd due = { sampler_fd(sampler), POLLIN, 0 };

	cr_assert_eq(poll(&due, 1, -1), 1);
	sampler_tick(sampler);
}

Test(sampler_due, parts_are_not_read_again_while_nothing_moves,
     .init = fixture_dir_make, .fini = fixture_dir_remove)
{
	told = (struct told) { 0 };
	proc_put_server();
	open_sampler(fixture_dir, 1);
	sampler_add(sampler, 42);
	tick();
	tick();
	cr_assert_eq(told.readings, 3);
	cr_assert_eq(told.with_parts, 1);
	sampler_close(sampler);
}

Test(sampler_due, children_join_and_theirs_too, .init = fixture_dir_make,
     .fini = fixture_dir_remove)
{
	told = (struct told) { 0 };
	proc_put_server();
	proc_put("42/task/43/children", "50 51 ");
	proc_put("50/stat", PROC_STAT);
	proc_put("50/statm", "10 5 1 1 0 1 0\n");
	proc_put("50/cmdline", "");
	proc_put("50/task/50/children", "60");
	proc_put("60/stat", PROC_STAT);
	proc_put("60/statm", "10 5 1 1 0 1 0\n");
	proc_put("60/cmdline", "");
	open_sampler(fixture_dir, 1);
	sampler_add(sampler, 42);
	tick();
	cr_assert(sampler_has(sampler, 50));
	cr_assert(sampler_has(sampler, 60));
	cr_assert_eq(sampler_count(sampler), 3);
	sampler_close(sampler);
}

/* Wait until the child has become the program it execs. */
static void await_program(pid_t pid, const char *name)
{
	char path[64], exe[128] = "";

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	do {
		ssize_t n = readlink(path, exe, sizeof(exe) - 1);

		cr_assert_geq(n, 0);
		exe[n] = '\0';
	} while (!strstr(exe, name));
}

Test(sampler_live, an_exec_is_told_as_a_beginning)
{
	int gate[2];
	pid_t pid;
	char c;

	told = (struct told) { 0 };
	open_sampler(NULL, HOUR_NS);
	cr_assert_eq(pipe2(gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (read(gate[0], &c, 1) == 1)
			execl("/bin/sleep", "sleep", "60", NULL);
		_exit(127);
	}
	cr_assert_eq(sampler_add(sampler, pid), 0);
	cr_assert_eq(write(gate[1], "x", 1), 1);
	await_program(pid, "sleep");
	sampler_read_all(sampler);
	cr_assert_eq(told.began, 2);
	cr_assert(strstr(told.exe, "sleep"), "%s", told.exe);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	sampler_read_all(sampler);
	cr_assert_eq(told.ended_pid, pid);
	sampler_close(sampler);
}
