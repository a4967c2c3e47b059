#include "profiler/proc/usage.h"

#include <errno.h>

#include "profiler/base/err.h"
#include "profiler/proc/cgroup.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/stacks.h"
#include "tests/unit/fixture_proc.h"

#define KIB 1024u

static struct usage_source *source;

static void setup(void)
{
	fixture_dir_make();
	proc_put_server();
	cr_assert_eq(usage_open(&source, fixture_dir, 42, NULL), 0);
}

static void teardown(void)
{
	usage_close(source);
	fixture_dir_remove();
}

TestSuite(usage, .init = setup, .fini = teardown);

static struct usage read_all(void)
{
	struct usage u;

	cr_assert_eq(usage_read(source, &u), 0);
	cr_assert_eq(usage_read_parts(source, &u), 0);
	return u;
}

Test(usage, a_reading_has_sizes_counts_and_times)
{
	struct usage u;

	cr_assert_eq(usage_read(source, &u), 0);
	cr_assert_eq(u.pid, 42);
	cr_assert_gt(u.at_ns, 0);
	cr_assert_eq(u.rss, 500 * 4 * KIB);
	cr_assert_eq(u.vms, 2500 * 4 * KIB);
	cr_assert_eq(u.threads, 2);
	cr_assert_eq(u.fds, 3);
	cr_assert_eq(u.max_fds, 1024);
	cr_assert_eq(u.minor_faults, 1500);
	cr_assert_eq(u.major_faults, 12);
	cr_assert_eq(u.cpu_user_ns, 2500000000);
	cr_assert_eq(u.cpu_system_ns, 500000000);
	cr_assert_eq(u.swap, 16 * KIB);
}

Test(usage, context_switches_are_those_of_all_threads)
{
	struct usage u;

	cr_assert_eq(usage_read(source, &u), 0);
	cr_assert_eq(u.context_switches, 107);
}

Test(usage, parts_are_unseen_until_they_are_read)
{
	struct usage u;

	cr_assert_eq(usage_read(source, &u), 0);
	cr_assert_eq(u.heap, USAGE_UNSEEN);
	cr_assert_eq(u.stacks, USAGE_UNSEEN);
	cr_assert_eq(u.pss, USAGE_UNSEEN);
}

Test(usage, every_mapping_counts_as_what_it_is)
{
	struct usage u = read_all();

	cr_assert_eq(u.heap, 128 * KIB);
	cr_assert_eq(u.file, 72 * KIB);
	cr_assert_eq(u.slabs, 20 * KIB);
	cr_assert_eq(u.stacks, 36 * KIB);
	cr_assert_eq(u.anonymous, 256 * KIB);
	cr_assert_eq(u.pss, 476 * KIB);
	cr_assert_eq(u.swap, 4 * KIB);
}

Test(usage, the_parts_add_up_to_the_resident_size)
{
	struct usage u = read_all();

	cr_assert_eq(u.heap + u.anonymous + u.file + u.stacks + u.slabs, u.rss);
}

Test(usage, a_thread_that_runs_keeps_the_stack_it_was_seen_with)
{
	struct usage u = read_all();

	proc_put("42/task/43/syscall", "running\n");
	u = read_all();
	cr_assert_eq(u.stacks, 36 * KIB);
}

Test(usage, the_stack_of_a_thread_that_ended_is_anonymous)
{
	struct usage u = read_all();
	char path[128];

	snprintf(path, sizeof(path), "%s/42/task/43/syscall", fixture_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/42/task/43/status", fixture_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/42/task/43", fixture_dir);
	rmdir(path);
	u = read_all();
	cr_assert_eq(u.stacks, 24 * KIB);
	cr_assert_eq(u.anonymous, 268 * KIB);
}

Test(usage, a_zombie_is_gone)
{
	struct usage u;

	proc_put("42/stat", "42 (py) Z 7 42 40 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 "
			    "0 5000 0 0\n");
	cr_assert_eq(usage_read(source, &u), -ESRCH);
}

Test(usage, a_missing_process_is_said_to_be_missing)
{
	struct err err = ERR_INIT;
	struct usage_source *none;

	cr_assert_eq(usage_open(&none, fixture_dir, 4711, &err), -ESRCH);
	cr_assert_null(none);
	cr_assert_str_eq(err.text, "there is no process 4711");
}

Test(usage, mappings_of_io_uring_are_counted)
{
	static const char ring[] =
		"7000000-7001000 rw-s 00000000 00:0e 1059  "
		"anon_inode:[io_uring]\n"
		"Rss:       4 kB\nPss:       4 kB\n"
		"7100000-7101000 rw-s 10000000 00:0e 1059  "
		"anon_inode:[io_uring]\n"
		"Rss:       4 kB\nPss:       4 kB\n"
		"8000000-8001000 rw-p 00000000 fe:00 7  /x/io_uring\n"
		"Rss:       4 kB\nPss:       4 kB\n";

	cr_assert_eq(read_all().rings, 0);
	proc_put("42/smaps", ring);
	cr_assert_eq(read_all().rings, 2);
	cr_assert_eq(read_all().file, 12 * KIB);
}

Test(usage, parts_that_may_not_be_read_leave_the_rest)
{
	char path[128];
	struct usage u;

	snprintf(path, sizeof(path), "%s/42/smaps", fixture_dir);
	unlink(path);
	cr_assert_eq(usage_read(source, &u), 0);
	cr_assert_eq(usage_read_parts(source, &u), -ENOENT);
	cr_assert_eq(u.rss, 500 * 4 * KIB);
	cr_assert_eq(u.heap, USAGE_UNSEEN);
}

Test(usage, the_live_process_reads_its_own_numbers)
{
	struct usage_source *self;
	struct usage u;

	cr_assert_eq(usage_open(&self, "/proc", getpid(), NULL), 0);
	cr_assert_eq(usage_read(self, &u), 0);
	cr_assert_eq(usage_read_parts(self, &u), 0);
	cr_assert_eq(u.heap + u.anonymous + u.file + u.stacks + u.slabs, u.rss);
	cr_assert_gt(u.stacks, 0);
	cr_assert_geq(u.fds, 3);
	cr_assert_neq(u.context_switches, USAGE_UNSEEN);
	usage_close(self);
}

Test(cgroup_of, version_2_usage_and_the_lowest_limit_above,
     .init = fixture_dir_make, .fini = fixture_dir_remove)
{
	struct cgroup c;

	proc_put("cg/pod/server/memory.current", "5000\n");
	proc_put("cg/pod/server/memory.max", "max\n");
	proc_put("cg/pod/memory.max", "100000\n");
	proc_put("cg/memory.max", "900000\n");
	strcat(fixture_dir, "/cg");
	cgroup_find(&c, fixture_dir, "0::/pod/server\n");
	cr_assert_eq(cgroup_usage(&c), 5000);
	cr_assert_eq(cgroup_limit(&c), 100000);
	fixture_dir[strlen(fixture_dir) - 3] = '\0';
}

Test(cgroup_of, version_1_is_found_by_its_controller, .init = fixture_dir_make,
     .fini = fixture_dir_remove)
{
	struct cgroup c;

	proc_put("memory/box/memory.usage_in_bytes", "7000\n");
	proc_put("memory/box/memory.limit_in_bytes", "9223372036854771712\n");
	cgroup_find(&c, fixture_dir,
		    "8:pids:/x\n4:cpu,memory:/box\n3:memory_x:/y\n0::/\n");
	cr_assert_eq(cgroup_usage(&c), 7000);
	cr_assert_eq(cgroup_limit(&c), UINT64_MAX);
}

Test(cgroup_of, a_path_of_the_host_falls_back_to_the_mount,
     .init = fixture_dir_make, .fini = fixture_dir_remove)
{
	struct cgroup c;

	proc_put("memory.current", "3000\n");
	proc_put("memory.max", "4000\n");
	cgroup_find(&c, fixture_dir, "0::/docker/0123456789abcdef\n");
	cr_assert_eq(cgroup_usage(&c), 3000);
	cr_assert_eq(cgroup_limit(&c), 4000);
}

Test(cgroup_of, none_is_unseen)
{
	struct cgroup c;

	cgroup_find(&c, "/nonexistent", "garbage\n0::/\n:\n");
	cr_assert_eq(cgroup_usage(&c), UINT64_MAX);
	cr_assert_eq(cgroup_limit(&c), UINT64_MAX);
}

Test(stack_pointer, is_the_last_word_but_one)
{
	cr_assert_eq(stacks_parse_syscall("232 0x4 0x7 0x400 0xffff 0x0 0x8 "
					  "0x7ffd11223340 0x7f00aabbccdd\n"),
		     0x7ffd11223340);
	cr_assert_eq(stacks_parse_syscall("-1 0x7ffd11223340 0x401000\n"),
		     0x7ffd11223340);
}

Test(stack_pointer, is_unknown_while_a_thread_runs)
{
	cr_assert_eq(stacks_parse_syscall("running\n"), 0);
	cr_assert_eq(stacks_parse_syscall(""), 0);
	cr_assert_eq(stacks_parse_syscall("1 2 3"), 0);
}

Test(stat_line, a_name_may_hold_anything)
{
	struct procfs_stat stat;

	cr_assert(procfs_parse_stat(PROC_STAT, &stat));
	cr_assert_eq(stat.state, 'S');
	cr_assert_eq(stat.ppid, 7);
	cr_assert_eq(stat.session, 40);
	cr_assert_eq(stat.start_ticks, 5000);
	cr_assert(!procfs_parse_stat("42 (py) S 7", &stat));
	cr_assert(!procfs_parse_stat("", &stat));
}
