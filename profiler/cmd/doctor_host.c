/*
 * doctor_host: this machine and this process, judged.
 */
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/units.h"
#include "profiler/cmd/doctor.h"
#include "profiler/proc/features.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#define KERNEL	       "this kernel"
#define RIGHTS	       "rights of this user"
#define LIMITS	       "limits"
#define MEMLOCK_ENOUGH (64ULL << 20)
#define FILES_ENOUGH   1024

void doctor_fini(struct doctor *d)
{
	vec_free(&d->checks);
}

void doctor_add(struct doctor *d, const char *section, const char *name,
		enum doctor_state state, const char *fmt, ...)
{
	struct doctor_check *c = vec_push(&d->checks);
	va_list ap;

	if (!c) {
		d->failed = true;
		return;
	}
	c->section = section;
	c->name = name;
	c->state = state;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
}

void doctor_mend(struct doctor *d, const char *fmt, ...)
{
	struct doctor_check *c;
	va_list ap;

	if (!d->checks.count)
		return;
	c = &d->checks.at[d->checks.count - 1];
	va_start(ap, fmt);
	vsnprintf(c->mend, sizeof(c->mend), fmt, ap);
	va_end(ap);
}

static bool may_load(const struct features *f)
{
	return features_may(f, CAP_SYS_ADMIN) ||
	       (features_may(f, CAP_BPF) && features_may(f, CAP_PERFMON));
}

static void judge_release(struct doctor *d, const struct features *f)
{
	/* Ring buffers came with 5.8, task storage for tracing with 5.11. */
	if (!f->release[0]) {
		doctor_add(d, KERNEL, "release", DOCTOR_PARTLY, "not known");
	} else if (features_since(f, 5, 11)) {
		doctor_add(d, KERNEL, "release", DOCTOR_WORKS, "Linux %s",
			   f->release);
	} else {
		doctor_add(d, KERNEL, "release", DOCTOR_PARTLY,
			   "Linux %s; attach by eBPF needs 5.11 or later, all "
			   "else works",
			   f->release);
		doctor_mend(d, "attach with --with inject");
	}
}

static void judge_btf(struct doctor *d, const struct features *f)
{
	if (f->btf) {
		doctor_add(d, KERNEL, "BTF", DOCTOR_WORKS,
			   "/sys/kernel/btf/vmlinux is there");
		return;
	}
	doctor_add(d, KERNEL, "BTF", DOCTOR_FAILS,
		   "the kernel does not tell of its types, so programs in it "
		   "cannot be fitted to it");
	doctor_mend(d, "a kernel built with CONFIG_DEBUG_INFO_BTF=y; until "
		       "then attach with --with inject");
}

static void judge_lockdown(struct doctor *d, const struct features *f)
{
	bool closed = strcmp(f->lockdown, "confidentiality") == 0;

	doctor_add(d, KERNEL, "lockdown", closed ? DOCTOR_FAILS : DOCTOR_WORKS,
		   closed ? "%s: programs in the kernel may not read memory"
			  : "%s",
		   f->lockdown[0] ? f->lockdown : "the kernel has none");
	if (closed)
		doctor_mend(d, "boot with lockdown=integrity");
}

static void judge_tracefs(struct doctor *d, const struct features *f)
{
	if (f->uprobes)
		doctor_add(d, KERNEL, "uprobes", DOCTOR_WORKS,
			   "functions of programs can be probed");
	else
		doctor_add(d, KERNEL, "uprobes", DOCTOR_FAILS,
			   "no functions of programs can be probed (--handler, "
			   "--heap, TLS)");
	if (!f->uprobes)
		doctor_mend(d, "a kernel built with CONFIG_UPROBE_EVENTS=y");
	if (f->tracefs) {
		doctor_add(d, KERNEL, "tracepoints", DOCTOR_WORKS,
			   "tracefs is mounted");
		return;
	}
	doctor_add(d, KERNEL, "tracepoints", DOCTOR_PARTLY,
		   "tracefs is not mounted or not readable; those that BTF "
		   "describes work without it");
	doctor_mend(d, "mount -t tracefs tracefs /sys/kernel/tracing");
}

static void judge_rights(struct doctor *d, const struct features *f)
{
	static const struct {
		int number;
		const char *name, *use;
	} wanted[] = {
		{ CAP_BPF, "CAP_BPF", "loads programs into the kernel" },
		{ CAP_PERFMON, "CAP_PERFMON", "lets them see other processes" },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
		  "looks into processes of other users" },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		bool is_ptrace = wanted[i].number == CAP_SYS_PTRACE;
		bool has = features_may(f, wanted[i].number) ||
			   (!is_ptrace && features_may(f, CAP_SYS_ADMIN));

		doctor_add(d, RIGHTS, wanted[i].name,
			   has	       ? DOCTOR_WORKS
			   : is_ptrace ? DOCTOR_PARTLY
				       : DOCTOR_FAILS,
			   "%s%s", wanted[i].use,
			   has ? "" : "; this process has not got it");
		if (!has && f->bounding >> wanted[i].number & 1)
			doctor_mend(d, "sudo strandline ..., or: setcap "
				       "cap_bpf,cap_perfmon,cap_sys_ptrace+ep "
				       "strandline");
		else if (!has)
			doctor_mend(d,
				    "this container lacks it: start it "
				    "with --cap-add=%s",
				    wanted[i].name + strlen("CAP_"));
	}
}

static void judge_bpf(struct doctor *d, const struct features *f)
{
	if (f->unprivileged_bpf == FEATURES_UNKNOWN)
		doctor_add(d, KERNEL, "bpf()", DOCTOR_FAILS,
			   "the kernel has no BPF (no "
			   "kernel.unprivileged_bpf_disabled)");
	else if (may_load(f))
		doctor_add(d, RIGHTS, "bpf()", DOCTOR_WORKS,
			   "allowed (kernel.unprivileged_bpf_disabled is %d)",
			   f->unprivileged_bpf);
	else
		doctor_add(d, RIGHTS, "bpf()", DOCTOR_FAILS,
			   "programs that trace need CAP_BPF and CAP_PERFMON "
			   "(kernel.unprivileged_bpf_disabled is %d)",
			   f->unprivileged_bpf);
}

static void judge_perf(struct doctor *d, const struct features *f)
{
	bool may =
		features_may(f, CAP_PERFMON) || features_may(f, CAP_SYS_ADMIN);

	if (f->perf_paranoid == FEATURES_UNKNOWN)
		doctor_add(d, KERNEL, "perf events", DOCTOR_FAILS,
			   "the kernel has none, so nothing is sampled on "
			   "CPUs");
	else if (may)
		doctor_add(d, RIGHTS, "perf events", DOCTOR_WORKS,
			   "allowed (kernel.perf_event_paranoid is %d)",
			   f->perf_paranoid);
	else if (f->perf_paranoid <= 0)
		doctor_add(d, RIGHTS, "perf events", DOCTOR_WORKS,
			   "kernel.perf_event_paranoid is %d",
			   f->perf_paranoid);
	else
		doctor_add(d, RIGHTS, "perf events", DOCTOR_FAILS,
			   "kernel.perf_event_paranoid is %d, so CPUs cannot "
			   "be sampled without CAP_PERFMON",
			   f->perf_paranoid);
	if (!may && f->perf_paranoid > 0)
		doctor_mend(d, "sudo sysctl kernel.perf_event_paranoid=0");
}

static void judge_ptrace(struct doctor *d, const struct features *f)
{
	static const char *const scopes[] = {
		"any process of the same user",
		"only processes that strandline started (yama 1)",
		"only with CAP_SYS_PTRACE (yama 2)",
		"nobody, until the next boot (yama 3)",
	};
	bool may = features_may(f, CAP_SYS_PTRACE);
	int scope = f->ptrace_scope;

	if (scope == FEATURES_UNKNOWN)
		scope = 0;
	if (scope < 0 || scope > 3)
		scope = 3;
	if (scope < 3 && (may || scope == 0)) {
		doctor_add(d, RIGHTS, "ptrace", DOCTOR_WORKS, "%s",
			   may ? "any process" : scopes[0]);
		return;
	}
	doctor_add(d, RIGHTS, "ptrace", DOCTOR_FAILS, "%s", scopes[scope]);
	doctor_mend(d, scope == 3 ? "a boot with kernel.yama.ptrace_scope=0"
				  : "sudo sysctl kernel.yama.ptrace_scope=0");
}

static void judge_cgroup(struct doctor *d, const struct features *f)
{
	char used[UNITS_TEXT_MAX], limit[UNITS_TEXT_MAX];

	if (!f->cgroup) {
		doctor_add(d, LIMITS, "cgroup", DOCTOR_PARTLY,
			   "none is mounted; limits of memory are not seen");
		return;
	}
	if (f->memory_limit == FEATURES_NO_LIMIT) {
		doctor_add(d, LIMITS, "cgroup", DOCTOR_WORKS,
			   "version %u, no limit of memory", f->cgroup);
		return;
	}
	doctor_add(d, LIMITS, "cgroup", DOCTOR_WORKS,
		   "version %u, %s of %s in use", f->cgroup,
		   f->memory_used == FEATURES_NO_LIMIT
			   ? "?"
			   : units_format_bytes(used, (double)f->memory_used),
		   units_format_bytes(limit, (double)f->memory_limit));
}

static void judge_limits(struct doctor *d, const struct features *f)
{
	char text[UNITS_TEXT_MAX];

	/* Since 5.11 maps are charged to the cgroup and not to this limit. */
	if (f->memlock == FEATURES_NO_LIMIT || features_since(f, 5, 11) ||
	    f->memlock >= MEMLOCK_ENOUGH) {
		doctor_add(d, LIMITS, "locked memory", DOCTOR_WORKS, "%s",
			   f->memlock == FEATURES_NO_LIMIT
				   ? "unlimited"
				   : units_format_bytes(text,
							(double)f->memlock));
	} else {
		doctor_add(d, LIMITS, "locked memory", DOCTOR_FAILS,
			   "%s, too little for maps of programs in a kernel "
			   "before 5.11",
			   units_format_bytes(text, (double)f->memlock));
		doctor_mend(d, "ulimit -l unlimited");
	}
	if (f->descriptors == FEATURES_NO_LIMIT) {
		doctor_add(d, LIMITS, "open files", DOCTOR_WORKS, "unlimited");
		return;
	}
	doctor_add(d, LIMITS, "open files",
		   f->descriptors >= FILES_ENOUGH ? DOCTOR_WORKS
						  : DOCTOR_PARTLY,
		   "%llu", (unsigned long long)f->descriptors);
	if (f->descriptors < FILES_ENOUGH)
		doctor_mend(d, "ulimit -n 4096");
}

void doctor_host(struct doctor *d, const struct features *f)
{
	judge_release(d, f);
	judge_btf(d, f);
	judge_lockdown(d, f);
	judge_tracefs(d, f);
	judge_rights(d, f);
	judge_bpf(d, f);
	judge_perf(d, f);
	judge_ptrace(d, f);
	judge_cgroup(d, f);
	judge_limits(d, f);
}
