/*
 * doctor_ways: each way in, tried as far as that changes nothing.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/attach/images.h"
#include "profiler/attach/inject_check.h"
#include "profiler/attach/pyframes.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/doctor.h"
#include "profiler/cmd/program.h"
#include "profiler/probe/probe.h"
#include "profiler/probe/trial.h"
#include "profiler/proc/anatomy.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/remote.h"

#define PROCESS "this process"
#define WAYS	"ways in"
#define TRIAL	"programs in the kernel"

void doctor_trials(struct doctor *d)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct trial trial;
	size_t n = 0;

	for (; trial_run(n, &trial); n++) {
		if (trial.result > 0)
			doctor_add(d, TRIAL, trial.name, DOCTOR_WORKS,
				   "the kernel takes them");
		else
			doctor_add(d, TRIAL, trial.name, DOCTOR_FAILS,
				   "%s; without: %s",
				   trial.result == 0 ? "unknown to this kernel"
						     : strerror(-trial.result),
				   trial.use);
	}
	if (n == 0)
		doctor_add(d, TRIAL, "build", DOCTOR_FAILS,
			   "this strandline was built without BPF");
	if (n == 0)
		doctor_mend(d, "scripts/setup.sh build, and build it again");
	if (urls && *urls)
		doctor_add(d, "names", "debuginfod", DOCTOR_WORKS, "%s", urls);
	else
		doctor_add(d, "names", "debuginfod", DOCTOR_FACT,
			   "DEBUGINFOD_URLS is not set; only what is "
			   "installed gives files and lines");
}

/* Our own library, which is what run and inject bring. */
static bool find_library(char path[PATH_MAX], struct err *err)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	own[n > 0 ? n : 0] = '\0';
	return program_library(own, path, err) == 0;
}

void doctor_python(struct doctor *d, const struct anatomy *a)
{
	struct remote there = remote_process(a->pid);
	struct pyframes python = { .verdict = CPYTHON_ABSENT };
	struct buf maps = BUF_INIT;
	struct images *images = NULL;
	const char *reason;
	int dir = procfs_open("/proc", a->pid);

	if (dir >= 0 && procfs_read(dir, "maps", &maps) == 0)
		images = images_new(maps.bytes, maps.len, &there, "");
	if (images)
		pyframes_find(&python, images, &there);
	reason = cpython_reason(python.verdict);
	if (python.verdict == CPYTHON_OK)
		doctor_add(d, PROCESS, "Python frames", DOCTOR_WORKS,
			   "of CPython %u.%u", python.layout.version >> 24,
			   python.layout.version >> 16 & 0xff);
	else if (reason)
		doctor_add(d, PROCESS, "Python frames", DOCTOR_FAILS, "%s",
			   reason);
	pyframes_fini(&python);
	images_free(images);
	buf_free(&maps);
	if (dir >= 0)
		close(dir);
}

static void judge_run(struct doctor *d, const struct anatomy *a)
{
	struct err why = ERR_INIT;
	char library[PATH_MAX];

	if (!find_library(library, &why)) {
		doctor_add(d, WAYS, "run", DOCTOR_FAILS, "%s", why.text);
		return;
	}
	if (a && a->readable && (a->is_static || a->libc != ANATOMY_GLIBC)) {
		doctor_add(d, WAYS, "run", DOCTOR_PARTLY,
			   "works here, but not with this program: %s",
			   a->is_static ? "it is linked statically"
					: "it has not got glibc");
		return;
	}
	doctor_add(d, WAYS, "run", DOCTOR_WORKS,
		   "everything is seen, from the start on");
	if (a)
		doctor_mend(d, "strandline run -- %.200s",
			    a->command[0] ? a->command : a->exe);
}

static void judge_inject(struct doctor *d, const struct anatomy *a)
{
	struct err why = ERR_INIT;
	char library[PATH_MAX];

	if (a->readable && (a->is_static || a->libc != ANATOMY_GLIBC))
		err_set(&why, -ENOTSUP, "%s",
			a->is_static ? "it is linked statically"
				     : "it has not got glibc");
	else if (find_library(library, &why))
		inject_check_process(a->pid, &why);
	if (why.code == 0) {
		doctor_add(d, WAYS, "attach --with inject", DOCTOR_WORKS,
			   "everything is seen, from then on");
		doctor_mend(d, "strandline attach %d --with inject",
			    (int)a->pid);
	} else {
		doctor_add(d, WAYS, "attach --with inject", DOCTOR_FAILS, "%s",
			   why.text);
	}
}

static void judge_bpf(struct doctor *d, const struct anatomy *a)
{
	struct err why = ERR_INIT;

	if (probes_possible(&why) < 0) {
		doctor_add(d, WAYS, "attach (eBPF)", DOCTOR_FAILS, "%s",
			   why.text);
		return;
	}
	doctor_add(d, WAYS, "attach (eBPF)", DOCTOR_WORKS,
		   "growth of memory by stack, requests, time on and off the "
		   "CPUs; nothing changes in the process");
	if (a)
		doctor_mend(d, "strandline attach %d%s", (int)a->pid,
			    a->shim ? " --with bpf" : "");
}

/* The first choice where a recorder was preloaded, or left by an attach. */
static void judge_idle(struct doctor *d, const struct anatomy *a)
{
	if (!a->shim || a->recording)
		return;
	doctor_add(d, WAYS, "attach --with idle", DOCTOR_WORKS,
		   "everything is seen, from then on, by the recorder that is "
		   "in it");
	doctor_mend(d, "strandline attach %d", (int)a->pid);
}

static void judge_stacks(struct doctor *d, const struct anatomy *a)
{
	if (!a->traceable) {
		doctor_add(d, WAYS, "stacks", DOCTOR_FAILS,
			   "this process may not be looked into");
		if (geteuid() != 0)
			doctor_mend(d, "sudo strandline stacks %d",
				    (int)a->pid);
	} else if (a->tracer) {
		doctor_add(d, WAYS, "stacks", DOCTOR_FAILS,
			   "process %d traces it already", (int)a->tracer);
	} else if (a->readable && !a->x86_64) {
		doctor_add(d, WAYS, "stacks", DOCTOR_FAILS,
			   "only of x86-64 processes");
	} else {
		doctor_add(d, WAYS, "stacks", DOCTOR_WORKS,
			   "what every thread is at");
		doctor_mend(d, "strandline stacks %d", (int)a->pid);
	}
}

static void judge_reach(struct doctor *d, const struct anatomy *a)
{
	if (a->recording && a->traceable && !a->tracer) {
		doctor_add(d, WAYS, "check --reach", DOCTOR_WORKS,
			   "blocks that nothing refers to");
		doctor_mend(d, "strandline check --reach %d", (int)a->pid);
	} else {
		doctor_add(d, WAYS, "check --reach", DOCTOR_FAILS,
			   a->recording ? "this user may not stop the process"
			   : a->shim ? "the recorder is dormant, so its blocks "
				       "are not known"
				     : "the recorder is not in, so its blocks "
				       "are not known");
	}
}

void doctor_ways(struct doctor *d, const struct anatomy *a)
{
	judge_run(d, a);
	judge_bpf(d, a);
	if (!a)
		return;
	judge_idle(d, a);
	judge_inject(d, a);
	judge_stacks(d, a);
	judge_reach(d, a);
}
