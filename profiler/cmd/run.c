/*
 * strandline run: start a server under the profiler.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/cmd/allocator.h"
#include "profiler/cmd/asked.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/conclude.h"
#include "profiler/cmd/probing.h"
#include "profiler/cmd/program.h"
#include "profiler/cmd/record_args.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/session.h"
#include "profiler/cmd/terminal.h"
#include "profiler/trace/writer.h"

#define NS_PER_MS     1000000ULL
#define NS_PER_SECOND 1000000000ULL

struct run_args {
	const char *output;
	uint64_t duration_ns, verdict_ns;
	bool python, reach, fail_fast;
	const char *python_objects, *http_by, *allocator_name;
	struct opt_list probes;
	struct allocator allocator; /* of that name */
	struct record_args record;
	bool cpu, faults, offcpu; /* of `probes` */
};

#define AT(field) offsetof(struct run_args, field)

static const char *python_objects_choice(size_t n)
{
	static const char *const choices[] = { "auto", "yes", "no", NULL };

	return choices[n];
}

static const char *http_way(size_t n)
{
	static const char *const ways[] = { "shim", "bpf", "auto", NULL };

	return ways[n];
}

static const struct opt options[] = {
	{ 'o', "output", OPT_TEXT, AT(output), "DIR.strand",
	  "the recording to make (default NAME-<n>.strand here, after the "
	  "command)",
	  NULL, false },
	{ 0, "duration", OPT_DURATION, AT(duration_ns), "SECONDS",
	  "end the server with SIGTERM after this time, and with SIGKILL ten "
	  "seconds later",
	  NULL, false },
	{ 0, "allocator", OPT_TEXT, AT(allocator_name), "NAME",
	  "run the command on another allocator: glibc, jemalloc, tcmalloc, "
	  "mimalloc, or the path of one",
	  NULL, false },
	{ 0, "verdict-every", OPT_DURATION, AT(verdict_ns), "SECONDS",
	  "judge what was recorded so far, and say so when the verdict changes "
	  "(default 60; 0 for never)",
	  NULL, false },
	{ 0, "fail-fast", OPT_FLAG, AT(fail_fast), NULL,
	  "end the server at a definite leak, with exit status 10", NULL,
	  false },
	{ 0, "http-by", OPT_CHOICE, AT(http_by), "WAY",
	  "who times requests: the recorder within the server (shim, the "
	  "default), programs in the kernel (bpf), which know when bytes came "
	  "and look into TLS, or those where they are allowed (auto)",
	  http_way, false },
	{ 0, "probe", OPT_LIST, AT(probes), "cpu,offcpu,faults",
	  "programs in the kernel, as of attach: where CPU time goes (cpu), "
	  "what threads wait for (offcpu), who makes the resident size grow "
	  "(faults)",
	  NULL, false },
	{ 0, "python-objects", OPT_CHOICE, AT(python_objects), "auto|yes|no",
	  "record the objects of CPython, which never reach malloc; auto "
	  "(default) in sample mode only, since in exact mode it costs Python "
	  "code two thirds of its speed",
	  python_objects_choice, false },
	{ 0, "python", OPT_FLAG, AT(python), NULL,
	  "show Python functions in stacks (default)", NULL, true },
	{ 0, "reach", OPT_FLAG, AT(reach), NULL,
	  "look for blocks that nothing refers to, now and then and at the "
	  "end (default); the server stands still for some 10 ms a GiB",
	  NULL, true },
	RECORD_ARGS_OPTIONS(struct run_args, record),
	{ 0 },
};

/* One of those between commas; @size bytes of it. */
static bool choose_probe(struct run_args *args, const char *name, size_t size)
{
	const struct {
		const char *name;
		bool *chosen;
	} probes[] = {
		{ "cpu", &args->cpu },
		{ "offcpu", &args->offcpu },
		{ "faults", &args->faults },
	};

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
		if (strlen(probes[i].name) == size &&
		    strncmp(probes[i].name, name, size) == 0)
			return *probes[i].chosen = true;
	return false;
}

static int choose_probes(struct run_args *args, struct err *err)
{
	for (size_t i = 0; i < args->probes.count; i++) {
		const char *name = args->probes.at[i];

		for (size_t size; *name; name += size + (name[size] == ',')) {
			size = strcspn(name, ",");
			if (!choose_probe(args, name, size))
				return err_set(err, -EINVAL,
					       "--probe: '%.*s' is none of "
					       "cpu, offcpu, faults",
					       (int)size, name);
		}
	}
	return 0;
}

static int check_args(struct run_args *args, struct err *err)
{
	int rc = record_args_check(&args->record, err);

	if (rc == 0)
		rc = choose_probes(args, err);
	if (rc < 0)
		return rc;
	if (args->fail_fast && !args->verdict_ns)
		return err_set(err, -EINVAL,
			       "--fail-fast needs verdicts on the way; leave "
			       "out --verdict-every 0");
	if (args->allocator_name)
		rc = allocator_find(&args->allocator, args->allocator_name,
				    err);
	return rc;
}

static int find_library(char path[PATH_MAX], struct err *err)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return err_errno(err, "cannot read /proc/self/exe");
	exe[n] = '\0';
	return program_library(exe, path, err);
}

static int make_recording(const struct run_args *args, char *const *command,
			  char path[PATH_MAX], char absolute[PATH_MAX],
			  struct err *err)
{
	const struct writer_meta meta = {
		.command = (const char *const *)command,
		.mode = args->record.mode,
		.interval_ms = args->record.interval_ms,
		.handlers = args->record.handlers.at,
		.handler_count = args->record.handlers.count,
		.hertz = args->cpu ? args->record.hertz : 0,
	};
	int rc;

	rc = recording_create(args->output, command[0], path, err);
	if (rc < 0)
		return rc;
	if (!realpath(path, absolute))
		return err_errno(err, "cannot use %s", path);
	return writer_meta(path, &meta, err);
}

static int exit_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
					: WEXITSTATUS(wait_status);
}

/* What the summary cannot say: that there is nothing, or how it ended. */
static void note_troubles(const char *name, const struct session_result *r)
{
	int sig = WIFSIGNALED(r->wait_status) ? WTERMSIG(r->wait_status) : 0;

	if (r->files == 0)
		terminal_note("%s (process %d) recorded nothing: the recorder "
			      "was not loaded, or could not write; a program "
			      "that drops its environment or is linked "
			      "statically keeps it out",
			      name, (int)r->pid);
	if (r->unrecorded[0])
		terminal_note("process %d became %s, which did not record: it "
			      "is linked statically or with another C library "
			      "than glibc, gains rights by its file, or was "
			      "started without its environment",
			      (int)r->pid, r->unrecorded);
	if (sig && sig != SIGTERM && sig != SIGINT && sig != SIGHUP)
		terminal_note("the server was ended by signal %d (%s)%s", sig,
			      strsignal(sig),
			      WCOREDUMP(r->wait_status) ? ", core dumped" : "");
}

static bool wants_objects(const struct run_args *args)
{
	if (strcmp(args->python_objects, "auto") == 0)
		return !args->record.exact;
	return strcmp(args->python_objects, "yes") == 0;
}

static int run_command(const struct run_args *args,
		       const struct opt_list *timed, char **command,
		       struct err *err)
{
	char program[PATH_MAX], library[PATH_MAX];
	char path[PATH_MAX], absolute[PATH_MAX];
	const struct record_args *r = &args->record;
	struct session_result result;
	const bool by_kernel = r->http && strcmp(args->http_by, "shim") != 0;
	const bool stacks = args->cpu || args->faults || args->offcpu;
	const struct probing_options probing = {
		.dir = absolute,
		.max_bytes = r->max_size,
		.follow = r->follow,
		.lazy = !stacks,
		.own_pids = true,
		.hertz = args->cpu ? r->hertz : 0,
		.faults = args->faults,
		.offcpu = args->offcpu,
		.http = by_kernel,
		.routes = r->routes.at,
		.route_count = r->routes.count,
		.handlers = timed->at,
		.handler_count = timed->count,
	};
	struct session_options session = {
		.dir = path,
		.interval_ns = r->interval_ms * NS_PER_MS,
		.duration_ns = args->duration_ns,
		.verdict_ns = args->verdict_ns,
		.fail_fast = args->fail_fast,
		.quiet = r->quiet,
		.reach = args->reach,
		.probing = by_kernel || stacks || timed->count ? &probing : NULL,
		.probing_optional = strcmp(args->http_by, "auto") == 0 &&
				    !timed->count && !stacks,
		.launch = {
			.path = program,
			.argv = command,
			.library = library,
			.dir = absolute,
			.exact = r->exact,
			.mean_bytes = r->mean_bytes,
			.max_bytes = r->max_size,
			.follow = r->follow,
			.allocator = args->allocator,
			.http = r->http,
			.python = args->python,
			.python_objects = wants_objects(args),
			.routes = r->routes.at,
			.route_count = r->routes.count,
		},
	};
	int rc;

	rc = program_find(command[0], getenv("PATH"), program, err);
	if (rc == 0)
		rc = program_check(program, err);
	if (rc == 0)
		rc = find_library(library, err);
	if (rc == 0)
		rc = make_recording(args, command, path, absolute, err);
	if (rc < 0)
		return rc;
	rc = session_run(&session, &result, err);
	if (rc < 0) {
		recording_discard(path);
		return rc;
	}
	note_troubles(command[0], &result);
	conclude(path, r->quiet);
	if (result.failed_fast)
		terminal_note("ended early: a leak is definite");
	return result.failed_fast ? EXIT_LEAK : exit_status(result.wait_status);
}

static int run(int argc, char **argv, struct err *err)
{
	struct run_args args = {
		.http_by = "shim",
		.reach = true,
		.verdict_ns = 60 * NS_PER_SECOND,
		.python = true,
		.python_objects = "auto",
		.record = RECORD_ARGS_DEFAULT,
	};
	struct opt_list timed;
	int arg, rc;

	arg = opt_parse(&cmd_run, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (arg == argc)
		return err_set(err, -EINVAL, "which command? %s",
			       cmd_run.usage);
	rc = check_args(&args, err);
	if (rc < 0)
		return rc;
	asked_split(args.record.handlers.at, args.record.handlers.count,
		    &(struct asked_way) { .probes = true,
					  .heap = true,
					  .times = args.cpu,
					  .requests = true,
					  .for_times = "--probe cpu" },
		    &timed);
	if (args.record.exact && wants_objects(&args) && !args.record.quiet)
		terminal_note("--python-objects in exact mode: Python code "
			      "runs at about a third of its speed");
	rc = run_command(&args, &timed, argv + arg, err);
	return rc == -EINVAL ? -EIO : rc; /* the command line was right */
}

const struct command cmd_run = {
	.name = "run",
	.summary = "start a server under the profiler",
	.usage = "strandline run [options] -- CMD...",
	.details =
		"Starts the command with the recorder preloaded, keeps a "
		"ledger of what its processes hold, waits for its end, and "
		"prints a summary and the recording's path. The server keeps "
		"its terminal, its output and the signals it is sent; its exit "
		"status becomes that of strandline (128 + N after signal N). "
		"Should strandline be killed, the server goes on unharmed.\n\n"
		"Scripts and chains of commands are followed to the server at "
		"their end, and a server that puts itself in the background "
		"is waited for.\n\n"
		"Its processes are searched for blocks that nothing refers to: "
		"2, 8 and 30 seconds after each began and every minute then "
		"(later where that would cost it more than a hundredth of the "
		"time), before they are asked to end, and as they exit. What "
		"two searches in a row find is lost for certain. A search "
		"needs "
		"the right to trace the process (not for what strandline "
		"started, as a rule) and room in its memory cgroup; where it "
		"lacks either it is left out, and that is said. Pointers that "
		"a program hides (XORed, compressed, in io_uring) are not "
		"seen; what is found there and released later shows it.\n\n"
		"With --probe, programs in the kernel look on beside the "
		"recorder, as they do for `strandline attach`: that takes "
		"CAP_BPF and CAP_PERFMON.",
	.examples =
		"strandline run -- python3 -m uvicorn app:app\tprofile until "
		"the server ends\n"
		"strandline run --duration 60 -o load.strand -- ./server\tfor "
		"a minute, into load.strand\n"
		"strandline run --mode exact -- ./tests\trecord every "
		"allocation\n",
	.options = options,
	.operands = OPERANDS_COMMAND,
	.run = run,
};
