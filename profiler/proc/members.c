/*
 * members: the processes of a cgroup.
 */
#include "profiler/proc/members.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "profiler/base/err.h"

#define DEPTH_MOST 32

static FILE *open_list(int dir)
{
	int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopen(fd, "r");
}

int members_check(const char *dir, struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	FILE *list;

	if (fd < 0)
		return err_errno(err, "cannot open the cgroup %s", dir);
	list = open_list(fd);
	if (list)
		fclose(list);
	else
		rc = err_set(err, -ENOTDIR,
			     "%s is not a cgroup: it has no readable "
			     "cgroup.procs; cgroups are below /sys/fs/cgroup",
			     dir);
	close(fd);
	return rc;
}

static ssize_t list_members(int dir, void (*each)(void *context, pid_t pid),
			    void *context)
{
	FILE *list = open_list(dir);
	ssize_t count = 0;
	int pid;

	if (!list)
		return -errno;
	while (fscanf(list, "%d", &pid) == 1) {
		if (pid <= 0) /* of a pid namespace that is not below ours */
			continue;
		each(context, pid);
		count++;
	}
	fclose(list);
	return count;
}

/* @dir is closed. */
static ssize_t walk(int dir, int depth, void (*each)(void *context, pid_t pid),
		    void *context)
{
	ssize_t count = list_members(dir, each, context), more;
	const struct dirent *entry;
	DIR *list = fdopendir(dir);

	if (!list) {
		close(dir);
		return -errno;
	}
	while (count >= 0 && depth < DEPTH_MOST && (entry = readdir(list))) {
		int below;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(dirfd(list), entry->d_name,
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below < 0)
			continue; /* removed meanwhile */
		more = walk(below, depth + 1, each, context);
		count += more > 0 ? more : 0;
	}
	closedir(list);
	return count;
}

ssize_t members_each(const char *dir, void (*each)(void *context, pid_t pid),
		     void *context)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : walk(fd, 0, each, context);
}

static bool is_version_2(int dir)
{
	struct statfs fs;

	return fstatfs(dir, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int members_level(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), level = -1;

	while (fd >= 0 && level < DEPTH_MOST && is_version_2(fd)) {
		int above =
			openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		level++;
		close(fd);
		fd = above;
	}
	if (fd >= 0)
		close(fd);
	return level;
}
