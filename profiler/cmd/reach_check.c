/*
 * reach_check: scan one process now, for strandline check --reach PID.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/reach.h"
#include "profiler/cmd/scan.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/trace/writer.h"

#define NS_PER_SECOND 1000000000ULL
#define TRIES	      8
#define TRY_NS	      (NS_PER_SECOND / 4)

static void rest(uint64_t ns)
{
	struct timespec left = { .tv_sec = (time_t)(ns / NS_PER_SECOND),
				 .tv_nsec = (long)(ns % NS_PER_SECOND) };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* The file that @pid records into. */
static int find_file(pid_t pid, char path[PATH_MAX], struct err *err)
{
	struct buf text = BUF_INIT;
	struct maps_cursor cursor;
	struct maps_entry e;
	int dir = procfs_open("/proc", pid), rc;

	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(dir, "maps", &text);
	close(dir);
	cursor = maps_begin(text.bytes, text.len);
	path[0] = '\0';
	while (rc == 0 && !path[0] && maps_next(&cursor, &e))
		if (maps_path_ends(&e, ".slabs"))
			maps_path(&e, path, PATH_MAX);
	buf_free(&text);
	if (rc < 0)
		return err_set(err, rc, "cannot look into process %d: %s",
			       (int)pid, strerror(-rc));
	if (!path[0])
		return err_set(err, -ENOENT,
			       "process %d records nothing, so its blocks are "
			       "not known; start it with strandline run",
			       (int)pid);
	return 0;
}

static int scan_now(struct scan *s, struct scan_result *result, struct err *err)
{
	struct shot shot;
	int rc = scan_prepare(s, err);

	if (rc < 0)
		return rc;
	rc = scan_take(s, &shot, err);
	if (rc < 0)
		return rc;
	rc = scan_read(s, &shot, err);
	if (rc == 0)
		rc = scan_look(s, &shot, result, err);
	shot_release(&shot);
	return rc;
}

/* A thread deep in the kernel, or a digester ahead of us: soon over. */
static int scan_patiently(struct scan *s, struct scan_result *result,
			  struct err *err)
{
	int rc = scan_now(s, result, err);

	for (int i = 1; i < TRIES && (rc == -EBUSY || rc == -EAGAIN); i++) {
		rest(TRY_NS);
		rc = scan_now(s, result, err);
	}
	return rc;
}

static int scan_twice(struct scan *s, struct writer *w, uint64_t apart_ns,
		      struct err *err)
{
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		struct scan_result result = { 0 };

		if (i > 0)
			rest(apart_ns);
		rc = scan_patiently(s, &result, err);
		if (rc < 0)
			break;
		rc = scan_write(&result, w);
		if (rc < 0)
			err_set(err, rc, "cannot write what was found: %s",
				strerror(-rc));
		scan_result_fini(&result);
	}
	return rc;
}

int reach_check(pid_t pid, uint64_t apart_ns, char **recording, struct err *err)
{
	char path[PATH_MAX];
	struct writer *w = NULL;
	struct scan *s = NULL;
	int rc = find_file(pid, path, err);

	*recording = NULL;
	if (rc == 0)
		rc = scan_open(&s, pid, path, err);
	if (rc < 0)
		return rc;
	*strrchr(path, '/') = '\0';
	rc = writer_open(&w, path, err);
	if (rc == 0)
		rc = scan_twice(s, w, apart_ns, err);
	if (rc == 0) {
		*recording = strdup(path);
		if (!*recording)
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	writer_close(w);
	scan_close(s);
	return rc;
}
