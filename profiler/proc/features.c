#include "profiler/proc/features.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/cgroup.h"

static bool read_text(const char *root, const char *name, struct buf *out)
{
	struct err why = ERR_INIT;
	char path[512];

	buf_clear(out);
	snprintf(path, sizeof(path), "%s%s", root, name);
	return access(path, R_OK) == 0 && buf_read_file(out, path, &why) == 0 &&
	       out->len > 0;
}

static bool is_there(const char *root, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", root, name);
	return access(path, F_OK) == 0;
}

static int read_number(const char *root, const char *name)
{
	struct buf text = BUF_INIT;
	int value = FEATURES_UNKNOWN;

	if (read_text(root, name, &text))
		value = (int)strtol(text.bytes, NULL, 10);
	buf_free(&text);
	return value;
}

static void read_release(struct features *f, const char *root)
{
	struct buf text = BUF_INIT;

	if (read_text(root, "/proc/sys/kernel/osrelease", &text)) {
		snprintf(f->release, sizeof(f->release), "%.*s",
			 (int)strcspn(text.bytes, "\n"), text.bytes);
		sscanf(f->release, "%u.%u", &f->major, &f->minor);
	}
	buf_free(&text);
}

/* "none [integrity] confidentiality": the one in brackets. */
static void read_lockdown(struct features *f, const char *root)
{
	struct buf text = BUF_INIT;
	const char *at = NULL;

	if (read_text(root, "/sys/kernel/security/lockdown", &text))
		at = strchr(text.bytes, '[');
	if (at)
		snprintf(f->lockdown, sizeof(f->lockdown), "%.*s",
			 (int)strcspn(at + 1, "]"), at + 1);
	buf_free(&text);
}

static uint64_t hex_of(const char *status, const char *field)
{
	const char *at = strstr(status, field);

	return at ? strtoull(at + strlen(field), NULL, 16) : 0;
}

static void read_rights(struct features *f, const char *root)
{
	struct buf text = BUF_INIT;

	if (read_text(root, "/proc/self/status", &text)) {
		f->capabilities = hex_of(text.bytes, "\nCapEff:");
		f->bounding = hex_of(text.bytes, "\nCapBnd:");
	}
	buf_free(&text);
}

static void read_cgroup(struct features *f, const char *root)
{
	struct buf text = BUF_INIT;
	struct cgroup group = { .path = "" };
	char base[256];

	snprintf(base, sizeof(base), "%s%s", root, CGROUP_BASE);
	f->cgroup = is_there(root, CGROUP_BASE "/cgroup.controllers") ? 2
		    : is_there(root, CGROUP_BASE "/memory")	      ? 1
								      : 0;
	f->memory_limit = f->memory_used = FEATURES_NO_LIMIT;
	if (read_text(root, "/proc/self/cgroup", &text)) {
		cgroup_find(&group, base, text.bytes);
		if (group.path[0]) {
			f->memory_limit = cgroup_limit(&group);
			f->memory_used = cgroup_usage(&group);
		}
	}
	buf_free(&text);
}

static uint64_t limit_of(int which)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)which, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return FEATURES_NO_LIMIT;
	return limit.rlim_cur;
}

void features_read(struct features *f, const char *root)
{
	*f = (struct features) { 0 };
	read_release(f, root);
	f->btf = is_there(root, "/sys/kernel/btf/vmlinux");
	read_lockdown(f, root);
	f->perf_paranoid =
		read_number(root, "/proc/sys/kernel/perf_event_paranoid");
	f->unprivileged_bpf =
		read_number(root, "/proc/sys/kernel/unprivileged_bpf_disabled");
	f->ptrace_scope =
		read_number(root, "/proc/sys/kernel/yama/ptrace_scope");
	read_rights(f, root);
	f->uprobes = is_there(root, "/sys/bus/event_source/devices/uprobe");
	f->tracefs = is_there(root, "/sys/kernel/tracing/events") ||
		     is_there(root, "/sys/kernel/debug/tracing/events");
	read_cgroup(f, root);
	f->memlock = limit_of(RLIMIT_MEMLOCK);
	f->descriptors = limit_of(RLIMIT_NOFILE);
}

bool features_may(const struct features *f, int capability)
{
	return f->capabilities >> capability & 1;
}

bool features_since(const struct features *f, unsigned major, unsigned minor)
{
	return f->major > major || (f->major == major && f->minor >= minor);
}
