#include "profiler/cmd/doctor.h"

#include <criterion/criterion.h>
#include <linux/capability.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/proc/anatomy.h"
#include "profiler/proc/features.h"
#include "reports/layout.h"
#include "tests/unit/fixture_proc.h"

TestSuite(doctor, .init = fixture_dir_make, .fini = fixture_dir_remove);

/* A machine on which everything works, for root. */
static struct features good(void)
{
	return (struct features) {
		.release = "6.1.0-18-amd64",
		.major = 6,
		.minor = 1,
		.btf = true,
		.lockdown = "none",
		.perf_paranoid = 2,
		.unprivileged_bpf = 2,
		.ptrace_scope = 1,
		.capabilities = UINT64_MAX,
		.bounding = UINT64_MAX,
		.uprobes = true,
		.tracefs = true,
		.cgroup = 2,
		.memory_limit = FEATURES_NO_LIMIT,
		.memlock = FEATURES_NO_LIMIT,
		.descriptors = 1024,
	};
}

static const struct doctor_check *find(const struct doctor *d, const char *name)
{
	const struct doctor_check *c;

	vec_foreach (&d->checks, c)
		if (strcmp(c->name, name) == 0)
			return c;
	cr_assert_fail("no check '%s'", name);
	return NULL;
}

static void host_says(const struct features *f, const char *name,
		      enum doctor_state state, const char *mend)
{
	struct doctor d = { .failed = false };
	const struct doctor_check *c;

	doctor_host(&d, f);
	c = find(&d, name);
	cr_expect_eq(c->state, state, "%s: %s", name, c->text);
	cr_expect_str_eq(c->mend, mend);
	doctor_fini(&d);
}

static void process_says(const struct anatomy *a, const char *name,
			 enum doctor_state state, const char *text)
{
	const struct features f = good();
	struct doctor d = { .failed = false };
	const struct doctor_check *c;

	doctor_process(&d, a, &f);
	c = find(&d, name);
	cr_expect_eq(c->state, state, "%s: %s", name, c->text);
	cr_expect_not_null(strstr(c->text, text), "%s: %s", name, c->text);
	doctor_fini(&d);
}

Test(doctor, a_good_machine_has_nothing_to_mend)
{
	const struct features f = good();
	struct doctor d = { .failed = false };
	const struct doctor_check *c;

	doctor_host(&d, &f);
	cr_expect_gt(d.checks.count, 8);
	vec_foreach (&d.checks, c) {
		cr_expect_eq(c->state, DOCTOR_WORKS, "%s", c->name);
		cr_expect_str_eq(c->mend, "", "%s", c->name);
	}
	doctor_fini(&d);
}

Test(doctor, without_rights_the_way_to_them_is_told)
{
	struct features f = good();

	f.capabilities = 0;
	host_says(&f, "perf events", DOCTOR_FAILS,
		  "sudo sysctl kernel.perf_event_paranoid=0");
	host_says(&f, "ptrace", DOCTOR_FAILS,
		  "sudo sysctl kernel.yama.ptrace_scope=0");
	host_says(&f, "CAP_BPF", DOCTOR_FAILS,
		  "sudo strandline ..., or: setcap "
		  "cap_bpf,cap_perfmon,cap_sys_ptrace+ep strandline");
	f.bounding = 0;
	host_says(&f, "CAP_BPF", DOCTOR_FAILS,
		  "this container lacks it: start it with --cap-add=BPF");
}

Test(doctor, without_yama_a_user_may_trace_his_own)
{
	struct features f = good();

	f.capabilities = 0;
	f.ptrace_scope = FEATURES_UNKNOWN;
	host_says(&f, "ptrace", DOCTOR_WORKS, "");
}

Test(doctor, yama_at_3_stops_even_root)
{
	struct features f = good();

	f.ptrace_scope = 3;
	host_says(&f, "ptrace", DOCTOR_FAILS,
		  "a boot with kernel.yama.ptrace_scope=0");
}

Test(doctor, locked_memory_counts_before_5_11_only)
{
	struct features f = good();

	f.memlock = 65536;
	host_says(&f, "locked memory", DOCTOR_WORKS, "");
	f.major = 5;
	f.minor = 10;
	host_says(&f, "locked memory", DOCTOR_FAILS, "ulimit -l unlimited");
	host_says(&f, "release", DOCTOR_PARTLY, "attach with --with inject");
}

Test(doctor, lockdown_for_confidentiality_is_no_good)
{
	struct features f = good();

	strcpy(f.lockdown, "confidentiality");
	host_says(&f, "lockdown", DOCTOR_FAILS, "boot with lockdown=integrity");
}

Test(doctor, features_are_read_from_the_kernels_files)
{
	struct features f;

	proc_put("proc/sys/kernel/osrelease", "5.15.0-91-generic\n");
	proc_put("proc/sys/kernel/perf_event_paranoid", "-1\n");
	proc_put("proc/sys/kernel/yama/ptrace_scope", "2\n");
	proc_put("proc/self/status", "Name:\tx\nCapEff:\t0000000000080000\n"
				     "CapBnd:\t000001ffffffffff\n");
	proc_put("sys/kernel/security/lockdown",
		 "none [integrity] confidentiality\n");
	proc_put("sys/kernel/btf/vmlinux", "x");
	features_read(&f, fixture_dir);
	cr_expect_eq(f.major, 5);
	cr_expect_eq(f.minor, 15);
	cr_expect_eq(f.perf_paranoid, -1);
	cr_expect_eq(f.ptrace_scope, 2);
	cr_expect_eq(f.unprivileged_bpf, FEATURES_UNKNOWN);
	cr_expect(features_may(&f, CAP_SYS_PTRACE));
	cr_expect_not(features_may(&f, CAP_SYS_ADMIN));
	cr_expect_str_eq(f.lockdown, "integrity");
	cr_expect(f.btf);
	cr_expect_not(f.tracefs);
	cr_expect_eq(f.cgroup, 0);
}

#define LINE(path) "400000-401000 r-xp 00000000 fe:00 7 " path "\n"

Test(anatomy, libraries_are_known_by_their_files)
{
	struct anatomy a = { .exe = "/usr/bin/python3.11" };

	anatomy_parse_maps(&a,
			   LINE("/usr/bin/python3.11") LINE(
				   "/usr/lib/x86_64-linux-gnu/libc.so.6")
				   LINE("/lib64/ld-linux-x86-64.so.2")
					   LINE("/usr/lib/libjemalloc.so.2")
						   LINE("/usr/lib/libssl.so."
							"3"));
	cr_expect_eq(a.libc, ANATOMY_GLIBC);
	cr_expect_str_eq(a.allocator, "jemalloc");
	cr_expect_str_eq(a.interpreter, "CPython");
	cr_expect_str_eq(a.tls, "OpenSSL");
	cr_expect_not(a.is_static);
	cr_expect_not(a.shim);
}

Test(anatomy, a_program_without_a_loader_is_static)
{
	struct anatomy a = { .exe = "/srv/server" };

	anatomy_parse_maps(&a, LINE("/srv/server"));
	cr_expect(a.is_static);
	cr_expect_eq(a.libc, ANATOMY_NO_LIBC);
	cr_expect_str_eq(a.allocator, "unknown");
}

Test(anatomy, a_file_of_data_named_as_a_program_is_none)
{
	struct anatomy a = { .exe = "/srv/server" };

	anatomy_parse_maps(&a, LINE("/srv/server") LINE("/srv/node.db"));
	cr_expect_null(a.interpreter);
}

Test(anatomy, the_recording_that_a_process_writes_is_found)
{
	struct anatomy a = { .exe = "" };

	anatomy_parse_maps(&a, "400000-401000 rw-s 00000000 fe:00 7 "
			       "/tmp/a.strand/42.slabs\n");
	cr_expect(a.recording);
	cr_expect_str_eq(a.recording_dir, "/tmp/a.strand");
}

Test(anatomy, status_tells_numbers_and_confinement)
{
	struct anatomy a = { .pid = 42 };

	anatomy_parse_status(&a,
			     "Name:\tx\nTracerPid:\t7\nUid:\t1000\t0\t0\t0\n"
			     "NSpid:\t42\t9\t1\nVmRSS:\t  12 kB\n"
			     "Threads:\t3\nNoNewPrivs:\t1\nSeccomp:\t2\n");
	cr_expect_eq(a.tracer, 7);
	cr_expect_eq(a.uid, 1000);
	cr_expect_eq(a.own_pid, 1);
	cr_expect_eq(a.rss, 12288);
	cr_expect_eq(a.threads, 3);
	cr_expect_eq(a.seccomp, 2);
	cr_expect(a.no_new_privs);
}

Test(anatomy, a_container_is_told_by_its_cgroup)
{
	struct anatomy a = { .pid = 42 };

	anatomy_parse_cgroup(&a, "0::/system.slice/docker-12ab.scope\n");
	cr_expect_str_eq(a.container, "docker");
	anatomy_parse_cgroup(&a, "0::/user.slice/user-0.slice\n");
	cr_expect_str_eq(a.container, "");
}

Test(doctor, what_bars_the_recorder_is_told_of_a_process)
{
	struct anatomy a = {
		.readable = true,
		.x86_64 = true,
		.dumpable = true,
		.traceable = true,
		.allocator = "glibc",
		.libc = ANATOMY_GLIBC,
		.libc_version = "2.36",
	};

	process_says(&a, "C library", DOCTOR_WORKS, "glibc 2.36");
	a.is_static = true;
	process_says(&a, "C library", DOCTOR_FAILS, "linked statically");
	a.is_static = false;
	a.libc = ANATOMY_MUSL;
	process_says(&a, "C library", DOCTOR_FAILS, "musl");
	a.seccomp = 2;
	process_says(&a, "seccomp", DOCTOR_PARTLY, "a filter is on");
	a.tracer = 99;
	process_says(&a, "traced", DOCTOR_FAILS, "by process 99");
	a.traceable = false;
	process_says(&a, "access", DOCTOR_FAILS, "CAP_SYS_PTRACE");
}

Test(doctor, no_line_is_wider_than_the_terminal)
{
	struct features f = good();
	struct doctor d = { .failed = false };
	struct buf out = BUF_INIT;
	const struct layout l = { &out, 80, false };

	f.capabilities = 0;
	f.btf = f.tracefs = false;
	doctor_host(&d, &f);
	doctor_text(&d, &l);
	for (char *line = strtok(out.bytes, "\n"); line;
	     line = strtok(NULL, "\n"))
		cr_expect_leq(layout_cells(line), 80, "%s", line);
	buf_free(&out);
	doctor_fini(&d);
}
