/* strandline stacks: what every thread of a process is at, once. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/dump.h"
#include "profiler/cmd/terminal.h"
#include "reports/layout.h"

#define COLUMNS_OF_A_FILE 4096 /* nothing is cut */

struct stacks_args {
	bool json, native, python;
	const char *output;
};

static const struct opt options[] = {
	{ 0, "json", OPT_FLAG, offsetof(struct stacks_args, json), NULL,
	  "JSON, as reports/stacks-schema.json says", NULL, false },
	{ 0, "native-only", OPT_FLAG, offsetof(struct stacks_args, native),
	  NULL, "leave Python's frames out", NULL, false },
	{ 0, "python-only", OPT_FLAG, offsetof(struct stacks_args, python),
	  NULL, "only Python's frames", NULL, false },
	{ 'o', "output", OPT_TEXT, offsetof(struct stacks_args, output), "FILE",
	  "where to write; - is standard output", NULL, false },
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

static int print(const struct dump *d, enum dump_view view,
		 const struct stacks_args *args, struct err *err)
{
	bool terminal = isatty(STDOUT_FILENO) == 1 && args->output[0] == '-';
	struct buf out = BUF_INIT;
	struct layout l = {
		.out = &out,
		.columns = terminal ? terminal_columns() : COLUMNS_OF_A_FILE,
		.color = terminal && terminal_color(),
	};
	int rc;

	if (args->json)
		dump_json(d, view, &out);
	else
		dump_text(d, view, &l);
	rc = buf_write_file(&out, args->output, err);
	buf_free(&out);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct stacks_args args = { .output = "-" };
	enum dump_view view = DUMP_MIXED;
	struct dump dump;
	pid_t pid = 0;
	int arg, rc;

	arg = opt_parse(&cmd_stacks, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 1)
		return err_set(err, -EINVAL, "expected one process: %s",
			       cmd_stacks.usage);
	if (args.native && args.python)
		return err_set(err, -EINVAL,
			       "--native-only and --python-only leave "
			       "nothing; choose one");
	if (args.native || args.python)
		view = args.native ? DUMP_NATIVE : DUMP_PYTHON;
	rc = parse_pid(argv[arg], &pid, err);
	if (rc == 0)
		rc = dump_take(&dump, pid, view, err);
	if (rc < 0)
		return rc;
	rc = print(&dump, view, &args, err);
	dump_fini(&dump);
	return rc;
}

const struct command cmd_stacks = {
	.name = "stacks",
	.summary = "show what every thread of a process is at",
	.usage = "strandline stacks PID [--json] [--native-only|--python-only]",
	.details =
		"Stops all threads of the process for a moment, copies their "
		"registers and stacks, lets them go on, and then finds out "
		"what they were at: functions, files and lines, innermost "
		"first, and what each waits for: a lock and who holds it, a "
		"descriptor and what is at its other end, a timer. Threads "
		"that wait for each other in a circle are named.\n\n"
		"Nothing in the process changes, nothing runs inside it, and "
		"no system call of it fails for it; the time that it stood "
		"still is printed. A server that hangs can be looked at, one "
		"that a signal has stopped (which stays so), one in a "
		"container by its number outside, one linked statically or "
		"with musl. Python's frames (CPython 3.9 to 3.14) stand in "
		"the place of the evaluator that runs them, and asyncio's "
		"tasks follow, each with the coroutines it is in: what "
		"awaits what, up to where it is suspended, whatever the "
		"event loop; they are read while the process goes on, so "
		"those of a busy one may have moved. A frame marked "
		"[guess] was found by looking for "
		"return addresses, where code came without unwind "
		"information.\n\n"
		"Looking at the processes of others takes root or "
		"CAP_SYS_PTRACE.",
	.examples =
		"strandline stacks 4711\tevery thread's stack\n"
		"strandline stacks 4711 --json -o stacks.json\tthe same for "
		"programs\n",
	.options = options,
	.operands = OPERANDS_OTHER,
	.run = run,
};
