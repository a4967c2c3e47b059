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
#include "profiler/cmd/inprogress.h"
#include "profiler/cmd/recording.h"
#include "profiler/proc/procfs.h"

static int recording_of(pid_t pid, char dir[PATH_MAX], struct err *err)
{
	struct buf maps = BUF_INIT;
	int proc = procfs_open("/proc", pid), rc;

	if (proc < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	if (inprogress_find(pid, dir)) {
		close(proc);
		return 0;
	}
	rc = procfs_read(proc, "maps", &maps);
	close(proc);
	buf_free(&maps);
	if (rc < 0)
		return err_set(err, rc, "cannot look into process %d: %s",
			       (int)pid, strerror(-rc));
	return err_set(err, -ENOENT,
		       "process %d records nothing; start it with strandline "
		       "run, or strandline attach %d",
		       (int)pid, (int)pid);
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
