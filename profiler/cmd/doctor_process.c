/*
 * doctor_process: one process, judged.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/units.h"
#include "profiler/cmd/doctor.h"
#include "profiler/proc/anatomy.h"
#include "profiler/proc/features.h"

#define PROCESS "this process"

static void judge_program(struct doctor *d, const struct anatomy *a)
{
	char rss[UNITS_TEXT_MAX];

	doctor_add(d, PROCESS, "command", DOCTOR_FACT, "%s",
		   a->command[0] ? a->command : a->exe);
	doctor_add(d, PROCESS, "program",
		   a->x86_64 || !a->readable ? DOCTOR_FACT : DOCTOR_FAILS,
		   "%s%s%s", a->exe[0] ? a->exe : "may not be seen",
		   a->exe_deleted ? " (replaced since it was started: names "
				    "may be lacking)"
				  : "",
		   a->x86_64 || !a->readable ? "" : "; not of x86-64");
	doctor_add(d, PROCESS, "size", DOCTOR_FACT,
		   "%s resident, %llu thread%s",
		   units_format_bytes(rss, (double)a->rss),
		   (unsigned long long)a->threads, a->threads == 1 ? "" : "s");
}

static void judge_libc(struct doctor *d, const struct anatomy *a)
{
	if (a->libc == ANATOMY_GLIBC && !a->is_static)
		doctor_add(d, PROCESS, "C library", DOCTOR_WORKS, "glibc %s",
			   a->libc_version);
	else if (a->is_static)
		doctor_add(d, PROCESS, "C library", DOCTOR_FAILS,
			   "linked statically%s%s, so no recorder can be in "
			   "it: only attach by eBPF and stacks",
			   a->libc == ANATOMY_GLIBC ? ", glibc " : "",
			   a->libc == ANATOMY_GLIBC ? a->libc_version : "");
	else if (a->libc == ANATOMY_MUSL)
		doctor_add(d, PROCESS, "C library", DOCTOR_FAILS,
			   "musl, which the recorder does not run with: only "
			   "attach by eBPF and stacks");
	else
		doctor_add(d, PROCESS, "C library", DOCTOR_FAILS,
			   "not known: only attach by eBPF and stacks");
}

static void judge_parts(struct doctor *d, const struct anatomy *a)
{
	bool known = strcmp(a->allocator, "unknown") != 0;
	bool read = a->interpreter && (strcmp(a->interpreter, "CPython") == 0);

	doctor_add(d, PROCESS, "allocator",
		   known ? DOCTOR_WORKS : DOCTOR_PARTLY, "%s%s", a->allocator,
		   a->allocator_linked ? ", linked into the program" : "");
	if (!a->interpreter)
		doctor_add(d, PROCESS, "interpreter", DOCTOR_FACT, "none");
	else
		doctor_add(d, PROCESS, "interpreter",
			   read || strcmp(a->interpreter, "Go") == 0
				   ? DOCTOR_WORKS
				   : DOCTOR_PARTLY,
			   "%s%s", a->interpreter,
			   read ? "" : "; native frames only");
	if (a->tls)
		doctor_add(d, PROCESS, "TLS", DOCTOR_FACT, "%s%s", a->tls,
			   a->tls_linked ? ", linked into the program" : "");
	else
		doctor_add(d, PROCESS, "TLS", DOCTOR_FACT, "none");
}

static void judge_protection(struct doctor *d, const struct anatomy *a,
			     const struct features *f)
{
	if (a->tracer)
		doctor_add(d, PROCESS, "traced", DOCTOR_FAILS,
			   "by process %d; there can be one only",
			   (int)a->tracer);
	if (a->tracer)
		doctor_mend(d, "end process %d (a debugger or strace)",
			    (int)a->tracer);
	if (a->state == 'T')
		doctor_add(d, PROCESS, "stopped", DOCTOR_PARTLY,
			   "by a signal; stacks works, attach does not");
	if (a->state == 'T')
		doctor_mend(d, "kill -CONT %d", (int)a->pid);
	doctor_add(d, PROCESS, "seccomp",
		   a->seccomp ? DOCTOR_PARTLY : DOCTOR_WORKS, "%s",
		   a->seccomp ? "a filter is on, which can end the process "
				"when it is entered: attach by eBPF only"
			      : "no filter");
	if (!a->dumpable && f->ptrace_scope != FEATURES_UNKNOWN)
		doctor_add(d, PROCESS, "dumpable", DOCTOR_PARTLY,
			   "no (it changed its user, or asked for it): only "
			   "root may look into it");
	else
		doctor_add(d, PROCESS, "dumpable",
			   a->dumpable ? DOCTOR_WORKS : DOCTOR_PARTLY, "%s",
			   a->dumpable ? "yes"
				       : "no: only root may look into it");
	if (a->traceable)
		return;
	if (features_may(f, CAP_SYS_PTRACE)) {
		doctor_add(d, PROCESS, "access", DOCTOR_FAILS,
			   "the system lets nobody look into it, not even "
			   "with CAP_SYS_PTRACE");
		return;
	}
	doctor_add(d, PROCESS, "access", DOCTOR_FAILS,
		   "this user may not look into it (it is user %u's)",
		   (unsigned)a->uid);
	doctor_mend(d, "sudo strandline doctor %d", (int)a->pid);
}

static void judge_surroundings(struct doctor *d, const struct anatomy *a)
{
	char used[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];
	char names[64] = "";

	snprintf(names, sizeof(names), "%s%s%s%s",
		 a->other_mounts ? " mounts" : "", a->other_pids ? " pids" : "",
		 a->other_net ? " network" : "", a->other_user ? " users" : "");
	if (names[0] || a->container[0])
		doctor_add(d, PROCESS, "container", DOCTOR_WORKS,
			   "%s%sname spaces of its own:%s; its number there "
			   "is %d",
			   a->container, a->container[0] ? ", " : "",
			   names[0] ? names : " none", (int)a->own_pid);
	else
		doctor_add(d, PROCESS, "container", DOCTOR_FACT, "none");
	if (a->memory_limit != UINT64_MAX)
		doctor_add(d, PROCESS, "memory limit", DOCTOR_FACT,
			   "%s of %s in use",
			   a->memory_used == UINT64_MAX
				   ? "?"
				   : units_format_bytes(used,
							(double)a->memory_used),
			   units_format_bytes(limit, (double)a->memory_limit));
	if (a->recording)
		doctor_add(d, PROCESS, "recorder", DOCTOR_WORKS,
			   "in, and records into %s", a->recording_dir);
	else
		doctor_add(d, PROCESS, "recorder", DOCTOR_FACT, "%s",
			   a->shim ? "in, and dormant" : "not in");
}

void doctor_process(struct doctor *d, const struct anatomy *a,
		    const struct features *f)
{
	judge_program(d, a);
	if (a->readable) {
		judge_libc(d, a);
		judge_parts(d, a);
	}
	judge_protection(d, a, f);
	judge_surroundings(d, a);
}
