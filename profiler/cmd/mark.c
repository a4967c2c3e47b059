/*
 * strandline mark: put a mark into a recording in progress.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/recording.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/trace/writer.h"

#define LABEL_LONGEST 256

/* The directory of the recording that a process has files of mapped. */
static int recording_of(pid_t pid, char dir[PATH_MAX], struct err *err)
{
	struct buf text = BUF_INIT;
	struct maps_cursor c;
	struct maps_entry e;
	int proc, rc;

	proc = procfs_open("/proc", pid);
	if (proc < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(proc, "maps", &text);
	close(proc);
	if (rc < 0) {
		buf_free(&text);
		return err_set(err, rc, "cannot look into process %d: %s",
			       (int)pid, strerror(-rc));
	}
	rc = -ENOENT;
	c = maps_begin(text.bytes, text.len);
	while (rc < 0 && maps_next(&c, &e)) {
		if (!maps_path_ends(&e, ".slabs"))
			continue;
		*strrchr(maps_path(&e, dir, PATH_MAX), '/') = '\0';
		rc = 0;
	}
	buf_free(&text);
	if (rc < 0)
		return err_set(err, rc,
			       "process %d records nothing; start it with "
			       "strandline run",
			       (int)pid);
	return 0;
}

/* A directory with that name goes before a process with that number. */
static int find_recording(const char *word, char dir[PATH_MAX], struct err *err)
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

static int check_label(const char *label, struct err *err)
{
	if (!*label)
		return err_set(err, -EINVAL, "the label is empty");
	if (strlen(label) > LABEL_LONGEST)
		return err_set(err, -EINVAL, "the label has more than %d bytes",
			       LABEL_LONGEST);
	return 0;
}

static int put_mark(const char *dir, const char *label, struct err *err)
{
	struct timespec now;
	struct writer *w;
	int rc;

	if (recording_ended(dir))
		return err_set(err, -ESRCH,
			       "%s: its server has ended, so there is nothing "
			       "to mark",
			       dir);
	clock_gettime(CLOCK_MONOTONIC, &now);
	rc = writer_open(&w, dir, err);
	if (rc < 0)
		return rc;
	rc = writer_mark(w,
			 (uint64_t)now.tv_sec * 1000000000ULL +
				 (uint64_t)now.tv_nsec,
			 label);
	writer_close(w);
	if (rc < 0)
		return err_set(err, rc, "%s: cannot write the mark: %s", dir,
			       strerror(-rc));
	return 0;
}

static int run(int argc, char **argv, struct err *err)
{
	char dir[PATH_MAX];
	int arg, rc;

	arg = opt_parse(&cmd_mark, NULL, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 2)
		return err_set(err, -EINVAL,
			       "expected a recording and a label: %s",
			       cmd_mark.usage);
	rc = check_label(argv[arg + 1], err);
	if (rc == 0)
		rc = find_recording(argv[arg], dir, err);
	if (rc == 0)
		rc = put_mark(dir, argv[arg + 1], err);
	return rc;
}

const struct command cmd_mark = {
	.name = "mark",
	.summary = "put a mark into a recording in progress",
	.usage = "strandline mark RECORDING|PID LABEL",
	.details =
		"Notes the moment, under a label, in a recording that is being "
		"made: a deploy, a load step, the end of a warm-up. Reports "
		"show it. The recording is named by its directory, or by any "
		"process that records into it.",
	.examples =
		"strandline mark python3-1.strand 'warm'\tthe warm-up is over\n"
		"strandline mark 4711 'load 2'\tby a process of the server\n",
	.operands = OPERANDS_RECORDING,
	.run = run,
};
