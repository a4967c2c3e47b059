#include "profiler/cmd/inprogress.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The recorder in the process has its file mapped. */
static bool find_mapped(int proc, char dir[PATH_MAX])
{
	struct buf text = BUF_INIT;
	struct maps_cursor c;
	struct maps_entry e;
	bool found = false;

	if (procfs_read(proc, "maps", &text) == 0) {
		c = maps_begin(text.bytes, text.len);
		while (!found && maps_next(&c, &e))
			found = maps_path_ends(&e, ".slabs") &&
				strrchr(maps_path(&e, dir, PATH_MAX), '/');
		if (found)
			*strrchr(dir, '/') = '\0';
	}
	buf_free(&text);
	return found;
}

struct search {
	pid_t pid; /* whose recording */
	int proc;  /* of the process that is looked at */
	char *dir;
	bool found;
};

/* <pid>.slabs of the shim, <pid>.probe.slabs of programs in the kernel. */
static bool holds(const char *dir, pid_t pid)
{
	static const char *const ends[] = { "probe.slabs", "slabs" };
	char path[PATH_MAX + 64];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(path, sizeof(path), "%s/%d.%s", dir, (int)pid,
			 ends[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static void look_at_file(void *ctx, uint64_t fd)
{
	struct search *s = ctx;
	char name[64], link[PATH_MAX], *slash;
	size_t len;

	snprintf(name, sizeof(name), "fd/%llu", (unsigned long long)fd);
	if (s->found || procfs_link(s->proc, name, link, sizeof(link)) < 0)
		return;
	len = strlen(link);
	slash = strrchr(link, '/');
	if (!slash || len < strlen(".slabs") ||
	    strcmp(link + len - strlen(".slabs"), ".slabs") != 0)
		return;
	*slash = '\0';
	if (!holds(link, s->pid))
		return;
	snprintf(s->dir, PATH_MAX, "%s", link);
	s->found = true;
}

static void look_at_process(void *ctx, uint64_t pid)
{
	struct search *s = ctx;
	char exe[PATH_MAX];

	if (s->found || (pid_t)pid == getpid())
		return;
	s->proc = procfs_open("/proc", (pid_t)pid);
	if (s->proc < 0)
		return;
	if (procfs_link(s->proc, "exe", exe, sizeof(exe)) > 0 &&
	    strcmp(base_of(exe), "strandline") == 0)
		procfs_numbers(s->proc, "fd", look_at_file, s);
	close(s->proc);
}

bool inprogress_find(pid_t pid, char dir[PATH_MAX])
{
	struct search s = { .pid = pid, .dir = dir };
	int proc = procfs_open("/proc", pid), all;

	if (proc < 0)
		return false;
	s.found = find_mapped(proc, dir);
	close(proc);
	if (s.found)
		return true;
	all = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all < 0)
		return false;
	procfs_numbers(all, ".", look_at_process, &s);
	close(all);
	return s.found;
}
