#include "profiler/cmd/inprogress.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/trace/slabfile.h"

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

/* What programs in the kernel see of it goes into this file. */
static bool is_probed(const struct search *s, const char *fd, const char *name)
{
	struct slab_file header;
	struct err why = ERR_INIT;
	int file;
	bool is;

	if (!slabfile_is_probed(name))
		return false;
	file = openat(s->proc, fd, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	is = slabfile_header(file, name, &header, &why) == 0 &&
	     header.seen_pid == s->pid;
	close(file);
	return is;
}

/* The recorder in the process writes one beside that which is open. */
static bool has_own(const char *dir, pid_t pid)
{
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%d.slabs", dir, (int)pid);
	return access(path, F_OK) == 0;
}

static void look_at_file(void *ctx, uint64_t fd)
{
	struct search *s = ctx;
	char name[64], link[PATH_MAX], *slash;
	bool probed;

	snprintf(name, sizeof(name), "fd/%llu", (unsigned long long)fd);
	if (s->found || procfs_link(s->proc, name, link, sizeof(link)) < 0)
		return;
	slash = strrchr(link, '/');
	if (!slash || !strstr(slash, ".slabs"))
		return;
	probed = is_probed(s, name, slash + 1);
	*slash = '\0';
	if (!probed && !has_own(link, s->pid))
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
