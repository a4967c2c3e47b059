/*
 * find: see find.h.
 */
#include "profiler/cmd/find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/recording.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"

struct search { /* for who has "PID.probe.slabs" open */
	char wanted[40], *dir;
	int proc; /* /proc/N of the one looked at */
	bool found;
};

static void look_at_file(void *context, uint64_t number)
{
	struct search *s = context;
	char name[32], path[PATH_MAX];
	char *slash;

	snprintf(name, sizeof(name), "fd/%llu", (unsigned long long)number);
	if (s->found || procfs_link(s->proc, name, path, sizeof(path)) < 0)
		return;
	slash = strrchr(path, '/');
	if (!slash || strcmp(slash + 1, s->wanted) != 0)
		return;
	*slash = '\0';
	snprintf(s->dir, PATH_MAX, "%s", path);
	s->found = recording_is(s->dir);
}

static void look_at_process(void *context, uint64_t number)
{
	struct search *s = context;
	struct buf comm = BUF_INIT;

	if (s->found)
		return;
	s->proc = procfs_open("/proc", (pid_t)number);
	if (s->proc < 0)
		return;
	if (procfs_read(s->proc, "comm", &comm) == 0 &&
	    strcmp(comm.bytes, "strandline\n") == 0)
		procfs_numbers(s->proc, "fd", look_at_file, s);
	buf_free(&comm);
	close(s->proc);
}

static bool find_attached(pid_t pid, char dir[PATH_MAX])
{
	struct search s = { .dir = dir };
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return false;
	snprintf(s.wanted, sizeof(s.wanted), "%d.probe.slabs", (int)pid);
	procfs_numbers(proc, ".", look_at_process, &s);
	close(proc);
	return s.found;
}

/* The directory of the files that a process has mapped. */
static bool find_mapped(const struct buf *maps, char dir[PATH_MAX])
{
	struct maps_cursor c = maps_begin(maps->bytes, maps->len);
	struct maps_entry e;

	while (maps_next(&c, &e)) {
		if (!maps_path_ends(&e, ".slabs"))
			continue;
		*strrchr(maps_path(&e, dir, PATH_MAX), '/') = '\0';
		return true;
	}
	return false;
}

static int recording_of(pid_t pid, char dir[PATH_MAX], struct err *err)
{
	struct buf maps = BUF_INIT;
	int proc, rc;

	proc = procfs_open("/proc", pid);
	if (proc < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(proc, "maps", &maps);
	close(proc);
	if (rc < 0)
		err_set(err, rc, "cannot look into process %d: %s", (int)pid,
			strerror(-rc));
	else if (!find_mapped(&maps, dir) && !find_attached(pid, dir))
		rc = err_set(err, -ENOENT,
			     "process %d records nothing; start it with "
			     "strandline run, or strandline attach %d",
			     (int)pid, (int)pid);
	buf_free(&maps);
	return rc;
}

int find_recording(const char *word, char dir[PATH_MAX], struct err *err)
{
	struct stat sb;
	char *end;
	long pid;

	if (stat(word, &sb) < 0) {
		pid = strtol(word, &end, 10);
		if (*end || pid <= 0 || pid > INT_MAX)
			return err_errno(err, "cannot open %s", word);
		return recording_of((pid_t)pid, dir, err);
	}
	snprintf(dir, PATH_MAX, "%s", word);
	if (!recording_is(dir))
		return err_set(err, -ENOTDIR, "%s is not a recording", word);
	return 0;
}
