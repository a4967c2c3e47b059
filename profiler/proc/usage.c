/*
 * usage: what one process holds, from /proc/PID.
 */
#include "profiler/proc/usage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/cgroup.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/stacks.h"

#define PROC_MAGIC 0x9fa0 /* f_type of a real /proc */

/*
 * Context switches cost a read a thread (4 us).  Past this many threads they
 * are read with the parts only.
 */
#define THREADS_CHEAP 32

struct usage_source {
	pid_t pid;
	int dir;
	bool real; /* procfs, not a tree made for a test */
	long page_size, ticks_per_second;
	struct cgroup cgroup;
	uint64_t max_fds;
	uint64_t cgroup_limit;
	struct stacks stacks;
	struct buf text; /* of the last file read */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void find_cgroup(struct usage_source *s, const char *root)
{
	char base[CGROUP_PATH / 2];

	/* A tree made for a test has its cgroups beside its processes. */
	if (s->real)
		strcpy(base, CGROUP_BASE);
	else
		snprintf(base, sizeof(base), "%s/cgroup", root);
	if (procfs_read(s->dir, "cgroup", &s->text) == 0)
		cgroup_find(&s->cgroup, base, s->text.bytes);
	s->max_fds = USAGE_UNSEEN;
	s->cgroup_limit = cgroup_limit(&s->cgroup);
}

int usage_open(struct usage_source **out, const char *root, pid_t pid,
	       struct err *err)
{
	struct usage_source *s;
	struct statfs fs;
	int dir;

	*out = NULL;
	dir = procfs_open(root, pid);
	if (dir == -ENOENT || dir == -ESRCH)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	if (dir < 0)
		return err_set(err, dir, "cannot open %s/%d: %s", root,
			       (int)pid, strerror(-dir));
	s = calloc(1, sizeof(*s));
	if (!s) {
		close(dir);
		return err_set(err, -ENOMEM, "out of memory");
	}
	s->pid = pid;
	s->dir = dir;
	s->real = fstatfs(dir, &fs) == 0 && fs.f_type == PROC_MAGIC;
	s->page_size = sysconf(_SC_PAGESIZE);
	s->ticks_per_second = sysconf(_SC_CLK_TCK);
	find_cgroup(s, root);
	*out = s;
	return 0;
}

void usage_close(struct usage_source *s)
{
	if (!s)
		return;
	close(s->dir);
	stacks_fini(&s->stacks);
	buf_free(&s->text);
	free(s);
}

pid_t usage_pid(const struct usage_source *s)
{
	return s->pid;
}

int usage_dir(const struct usage_source *s)
{
	return s->dir;
}

static uint64_t ticks_to_ns(const struct usage_source *s, uint64_t ticks)
{
	return ticks * (1000000000ULL / (uint64_t)s->ticks_per_second);
}

static int read_stat(struct usage_source *s, struct usage *u)
{
	struct procfs_stat stat;
	int rc;

	rc = procfs_read(s->dir, "stat", &s->text);
	if (rc < 0)
		return rc == -ENOENT ? -ESRCH : rc;
	if (!procfs_parse_stat(s->text.bytes, &stat))
		return -EBADMSG;
	/* A first thread that left early is a zombie among living ones. */
	if (stat.state == 'X' || (stat.state == 'Z' && stat.threads <= 1))
		return -ESRCH;
	u->threads = stat.threads;
	u->minor_faults = stat.minor_faults;
	u->major_faults = stat.major_faults;
	u->cpu_user_ns = ticks_to_ns(s, stat.user_ticks);
	u->cpu_system_ns = ticks_to_ns(s, stat.system_ticks);
	return 0;
}

static int read_statm(struct usage_source *s, struct usage *u)
{
	unsigned long size, resident;
	int rc;

	rc = procfs_read(s->dir, "statm", &s->text);
	if (rc < 0)
		return rc;
	if (sscanf(s->text.bytes, "%lu %lu", &size, &resident) != 2)
		return -EBADMSG;
	if (size == 0) /* it is on its way out: nothing to tell */
		return -ESRCH;
	u->vms = size * (uint64_t)s->page_size;
	u->rss = resident * (uint64_t)s->page_size;
	return 0;
}

/* The number after "KEY:" at a line's start; UNSEEN where there is none. */
static uint64_t field(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (; text; text = strchr(text, '\n'), text += text ? 1 : 0)
		if (!strncmp(text, key, len) && text[len] == ':')
			return strtoull(text + len + 1, NULL, 10);
	return USAGE_UNSEEN;
}

static uint64_t switches_in(const char *status)
{
	uint64_t waits = field(status, "voluntary_ctxt_switches");
	uint64_t forced = field(status, "nonvoluntary_ctxt_switches");

	return waits == USAGE_UNSEEN || forced == USAGE_UNSEEN ? USAGE_UNSEEN
							       : waits + forced;
}

static void read_status(struct usage_source *s, struct usage *u)
{
	uint64_t swap;

	if (procfs_read(s->dir, "status", &s->text) < 0)
		return;
	swap = field(s->text.bytes, "VmSwap");
	if (swap != USAGE_UNSEEN)
		u->swap = swap * 1024;
	if (u->threads == 1)
		u->context_switches = switches_in(s->text.bytes);
}

/* From 6.2 on the size of the directory is the count; else it is listed. */
static void count_fds(struct usage_source *s, struct usage *u)
{
	struct stat sb;
	ssize_t count;

	if (s->real && fstatat(s->dir, "fd", &sb, 0) == 0 && sb.st_size > 0 &&
	    faccessat(s->dir, "fd", R_OK, 0) == 0) {
		u->fds = (uint64_t)sb.st_size;
		return;
	}
	count = procfs_numbers(s->dir, "fd", NULL, NULL);
	if (count >= 0)
		u->fds = (uint64_t)count;
}

/* "Max open files  1024  524288  files": the first is what holds. */
static uint64_t read_max_fds(struct usage_source *s)
{
	static const char key[] = "Max open files";
	unsigned long long limit;
	const char *line;

	if (procfs_read(s->dir, "limits", &s->text) < 0)
		return USAGE_UNSEEN;
	line = s->text.bytes ? strstr(s->text.bytes, key) : NULL;
	return line && sscanf(line + strlen(key), "%llu", &limit) == 1
		       ? limit
		       : USAGE_UNSEEN;
}

struct switches {
	struct usage_source *source;
	uint64_t sum;
};

static void add_switches(void *ctx, uint64_t tid)
{
	struct switches *sw = ctx;
	char name[64];
	uint64_t n;

	snprintf(name, sizeof(name), "task/%llu/status",
		 (unsigned long long)tid);
	if (procfs_read(sw->source->dir, name, &sw->source->text) < 0)
		return; /* it ended just now */
	n = switches_in(sw->source->text.bytes);
	if (n != USAGE_UNSEEN)
		sw->sum += n;
}

static void read_switches(struct usage_source *s, struct usage *u)
{
	struct switches sw = { s, 0 };

	if (procfs_numbers(s->dir, "task", add_switches, &sw) > 0)
		u->context_switches = sw.sum;
}

int usage_read(struct usage_source *s, struct usage *u)
{
	int rc;

	memset(u, 0xff, sizeof(*u)); /* USAGE_UNSEEN in every field */
	u->pid = s->pid;
	u->at_ns = now_ns();
	rc = read_stat(s, u);
	if (rc == 0)
		rc = read_statm(s, u);
	if (rc < 0)
		return rc;
	read_status(s, u);
	count_fds(s, u);
	if (s->max_fds == USAGE_UNSEEN)
		s->max_fds = read_max_fds(s);
	u->max_fds = s->max_fds;
	if (u->threads > 1 && u->threads <= THREADS_CHEAP)
		read_switches(s, u);
	u->cgroup_usage = cgroup_usage(&s->cgroup);
	u->cgroup_limit = s->cgroup_limit;
	return 0;
}

/* Where the resident bytes of a mapping count. */
static uint64_t *part_of(const struct usage_source *s,
			 const struct maps_entry *e, struct usage *u)
{
	if (maps_path_is(e, "[heap]"))
		return &u->heap;
	if (maps_path_is(e, "[stack]"))
		return &u->stacks;
	if (maps_path_ends(e, ".slabs"))
		return &u->slabs;
	if (e->shared || e->inode != 0)
		return &u->file;
	if (stacks_touch(&s->stacks, e->start, e->end))
		return &u->stacks;
	return &u->anonymous;
}

int usage_read_parts(struct usage_source *s, struct usage *u)
{
	struct usage parts = *u;
	struct smaps_sizes sizes;
	struct maps_cursor c;
	struct maps_entry e;
	int rc;

	(void)stacks_refresh(&s->stacks, s->dir); /* refused: see usage.h */
	rc = procfs_read(s->dir, "smaps", &s->text);
	if (rc == 0 && s->text.len == 0)
		rc = -ESRCH; /* its memory is gone already */
	if (rc < 0)
		return rc;
	parts.rss = parts.swap = parts.pss = 0;
	parts.heap = parts.anonymous = parts.file = 0;
	parts.stacks = parts.slabs = parts.rings = 0;
	c = maps_begin(s->text.bytes, s->text.len);
	while (smaps_next(&c, &e, &sizes)) {
		*part_of(s, &e, &parts) += sizes.rss;
		parts.rss += sizes.rss;
		parts.pss += sizes.pss;
		parts.swap += sizes.swap;
		parts.rings += maps_path_is(&e, "anon_inode:[io_uring]");
	}
	*u = parts;
	if (u->threads > THREADS_CHEAP)
		read_switches(s, u);
	s->cgroup_limit = u->cgroup_limit = cgroup_limit(&s->cgroup);
	s->max_fds = u->max_fds = read_max_fds(s);
	return 0;
}
