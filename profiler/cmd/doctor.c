/* strandline doctor: what works here, what does not, and what mends it. */
#include "profiler/cmd/doctor.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/terminal.h"
#include "profiler/proc/anatomy.h"
#include "profiler/proc/features.h"
#include "reports/layout.h"

struct doctor_args {
	bool json;
};

static const struct opt options[] = {
	{ 0, "json", OPT_FLAG, offsetof(struct doctor_args, json), NULL,
	  "the same for programs", NULL, false },
	{ 0 },
};

static int parse_pid(const char *word, pid_t *pid, struct err *err)
{
	char *end;
	long number = strtol(word, &end, 10);

	if (*end || number <= 0 || number > INT_MAX)
		return err_set(err, -EINVAL, "'%s' is not a process's number",
			       word);
	*pid = (pid_t)number;
	return 0;
}

static int print(const struct doctor *d, pid_t pid, bool json, struct err *err)
{
	struct buf out = BUF_INIT;
	const struct layout l = {
		.out = &out,
		.columns = terminal_columns(),
		.color = terminal_color(),
	};
	int rc;

	if (json)
		doctor_json(d, (int)pid, &out);
	else
		doctor_text(d, &l);
	rc = d->failed ? err_set(err, -ENOMEM, "out of memory")
		       : buf_write_file(&out, "-", err);
	buf_free(&out);
	return rc;
}

static int examine(pid_t pid, bool json, struct err *err)
{
	struct doctor d = { .failed = false };
	struct features features;
	struct anatomy anatomy;
	int rc = 0;

	if (pid)
		rc = anatomy_read(&anatomy, pid, err);
	if (rc < 0)
		return rc;
	features_read(&features, "");
	doctor_host(&d, &features);
	doctor_trials(&d);
	if (pid) {
		doctor_process(&d, &anatomy, &features);
		doctor_python(&d, &anatomy);
	}
	doctor_ways(&d, pid ? &anatomy : NULL);
	rc = print(&d, pid, json, err);
	doctor_fini(&d);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct doctor_args args = { .json = false };
	pid_t pid = 0;
	int arg, rc = 0;

	arg = opt_parse(&cmd_doctor, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg > 1)
		return err_set(err, -EINVAL, "expected one process at most: %s",
			       cmd_doctor.usage);
	if (arg < argc)
		rc = parse_pid(argv[arg], &pid, err);
	return rc < 0 ? rc : examine(pid, args.json, err);
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "tell what works here, and what mends what does not",
	.usage = "strandline doctor [PID] [--json]",
	.details =
		"Looks at the kernel, the rights of this user and the limits "
		"that hold, tries which programs the kernel takes, and says of "
		"each whether it works, and what mends it where it does "
		"not.\n\n"
		"Of a process it tells the program, C library, allocator, "
		"interpreter and TLS library, what protects it and what stands "
		"around it (containers, limits, another tracer), whether the "
		"recorder is in it, and which of the ways in would work. "
		"Nothing is stopped or changed.",
	.examples = "strandline doctor\twhat works on this machine\n"
		    "strandline doctor 4711\tand with that process\n",
	.statuses = "0\tit could be said; run works at least\n"
		    "1\tthere is no such process\n"
		    "2\ta mistake in the command line\n",
	.options = options,
	.operands = OPERANDS_OTHER,
	.run = run,
};
