/*
 * strandline mark: put a mark into a recording in progress.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/find.h"
#include "profiler/cmd/recording.h"
#include "profiler/trace/writer.h"

#define LABEL_LONGEST 256

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
