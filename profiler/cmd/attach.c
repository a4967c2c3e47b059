/*
 * strandline attach: join a running server.
 */
#include "profiler/cmd/attach.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/conclude.h"
#include "profiler/cmd/record_args.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/terminal.h"
#include "profiler/trace/writer.h"

#define NS_PER_MS	1000000ULL
#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 3600000
#define MAX_SIZE_MIN	(1ULL << 20)
#define HERTZ_MAX	1000
#define HEAP_BUDGET	2
#define HEAP_BUDGET_MAX 10000

/* In the order of preference, of those that are possible. */
static const struct attach_way *const ways[] = {
	&attach_idle,
	&attach_bpf,
	&attach_inject,
};
#define WAY_COUNT (sizeof(ways) / sizeof(ways[0]))

struct attach_args {
	const char *output, *with, *cgroup, *mode, *rate, *heap_budget;
	uint64_t interval_ms, duration_ns, max_size, hertz;
	bool follow, http, heap, dry_run, quiet;
	struct opt_list handlers, routes;
};

static const char *way_choice(size_t n)
{
	return n < WAY_COUNT ? ways[n]->name : NULL;
}

#define AT(field) offsetof(struct attach_args, field)

static const struct opt options[] = {
	{ 'o', "output", OPT_TEXT, AT(output), "DIR.strand",
	  "the recording to make (default NAME-<n>.strand here, after the "
	  "program)",
	  NULL, false },
	{ 0, "with", OPT_CHOICE, AT(with), "WAY",
	  "the way in (default the first of them that is possible)", way_choice,
	  false },
	{ 0, "mode", OPT_CHOICE, AT(mode), "MODE",
	  "how much the recorder records, with inject (default sample)",
	  record_args_mode, false },
	{ 0, "rate", OPT_TEXT, AT(rate), "auto|SIZE",
	  "bytes allocated between two samples, with inject or --heap; auto "
	  "(default) holds 1,000 samples a second, 500 with --heap",
	  NULL, false },
	{ 0, "route", OPT_LIST, AT(routes), "PATH",
	  "requests of such paths are one route: '/users/{id}', or with a "
	  "method 'GET /files/{name:path}'",
	  NULL, false },
	{ 0, "http", OPT_FLAG, AT(http), NULL,
	  "follow the HTTP requests that the server answers (default)", NULL,
	  true },
	{ 0, "duration", OPT_DURATION, AT(duration_ns), "SECONDS",
	  "leave the server after this time (default at Ctrl-C, or when it "
	  "ends)",
	  NULL, false },
	{ 0, "interval", OPT_COUNT, AT(interval_ms), "MS",
	  "milliseconds between two readings of the ledger (default 1000)",
	  NULL, false },
	{ 0, "max-size", OPT_BYTES, AT(max_size), "SIZE",
	  "the most that the recording may hold on disk (default 256MiB)", NULL,
	  false },
	{ 0, "hertz", OPT_COUNT, AT(hertz), "COUNT",
	  "looks at what runs on each CPU a second (default 99, 0 for none)",
	  NULL, false },
	{ 0, "cgroup", OPT_TEXT, AT(cgroup), "DIR",
	  "all processes of this cgroup, now and later, in place of a PID",
	  NULL, false },
	{ 0, "follow", OPT_FLAG, AT(follow), NULL,
	  "record the processes that the server starts too (default)", NULL,
	  true },
	{ 0, "handler", OPT_LIST, AT(handlers), "NAME",
	  "time the calls of this native function, 'search' or "
	  "'libindex.so:ns::search'; what that costs is said first",
	  NULL, false },
	{ 0, "heap", OPT_FLAG, AT(heap), NULL,
	  "watch malloc and free, too, with bpf; what that costs is said "
	  "first",
	  NULL, false },
	{ 0, "heap-budget", OPT_TEXT, AT(heap_budget), "PERCENT",
	  "of one CPU, at which --heap switches itself off (default 2)", NULL,
	  false },
	{ 0, "dry-run", OPT_FLAG, AT(dry_run), NULL,
	  "say what would be done, and do nothing", NULL, false },
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL,
	  "print no summary at the end", NULL, false },
	{ 0 },
};

static int parse_budget(const char *text, double *percent, struct err *err)
{
	char *end;

	*percent = HEAP_BUDGET;
	if (!text)
		return 0;
	*percent = strtod(text, &end);
	if (end != text && !strcmp(*end == '%' ? end + 1 : end, "") &&
	    *percent > 0 && *percent <= HEAP_BUDGET_MAX)
		return 0;
	return err_set(err, -EINVAL,
		       "--heap-budget: '%s' is no percentage of a CPU between "
		       "0 and %d",
		       text, HEAP_BUDGET_MAX);
}

static int check_args(const struct attach_args *args, struct err *err)
{
	if (args->interval_ms < INTERVAL_MIN_MS ||
	    args->interval_ms > INTERVAL_MAX_MS)
		return err_set(err, -EINVAL,
			       "--interval: %llu ms is not between %d ms and "
			       "an hour",
			       (unsigned long long)args->interval_ms,
			       INTERVAL_MIN_MS);
	if (args->max_size < MAX_SIZE_MIN)
		return err_set(err, -EINVAL,
			       "--max-size: less than 1 MiB holds no "
			       "recording");
	if (args->hertz > HERTZ_MAX)
		return err_set(err, -EINVAL,
			       "--hertz: more than %d looks a second would "
			       "slow the server down",
			       HERTZ_MAX);
	return record_args_check_routes(&args->routes, err);
}

/* The one that was asked for, or the first that is possible. */
static int choose_way(const char *name, const struct attach_options *opt,
		      const struct attach_way **way, struct err *err)
{
	struct err why;
	int rc = -ENOTSUP;

	for (size_t i = 0; i < WAY_COUNT; i++) {
		*way = ways[i];
		if (name && strcmp(name, ways[i]->name) != 0)
			continue;
		why = (struct err)ERR_INIT;
		rc = ways[i]->possible(opt, &why);
		if (rc == 0 || name)
			break;
		if (ways[i] == &attach_bpf)
			*err = why; /* the best way's reason is the one */
	}
	if (rc < 0 && (name || !err->text[0]))
		*err = why;
	return rc;
}

static int make_recording(const struct attach_options *opt, const char *output,
			  const struct attach_way *way, char path[PATH_MAX],
			  char absolute[PATH_MAX], struct err *err)
{
	const char *name = opt->process ? opt->process->exe : opt->cgroup;
	const char *const command[] = { name, NULL };
	const char *const settings[] = { "way", way->name, NULL };
	const struct writer_meta meta = {
		.command = command,
		.mode = opt->exact ? "exact" : "sample",
		.interval_ms = opt->interval_ns / NS_PER_MS,
		.options = settings,
	};
	int rc = recording_create(output, name, path, err);

	if (rc < 0)
		return rc;
	if (!realpath(path, absolute))
		return err_errno(err, "cannot use %s", path);
	return writer_meta(path, &meta, err);
}

static int attach(const struct attach_args *args, struct attach_options *opt,
		  struct err *err)
{
	char path[PATH_MAX], absolute[PATH_MAX];
	const struct attach_way *way;
	const char *with = args->with ? args->with : opt->heap ? "bpf" : NULL;
	int rc = choose_way(with, opt, &way, err);

	if (args->dry_run && (rc == 0 || with))
		return way->rehearse(opt, err);
	if (rc < 0)
		return rc;
	rc = make_recording(opt, args->output, way, path, absolute, err);
	if (rc < 0)
		return rc;
	opt->dir = path;
	opt->absolute = absolute;
	rc = way->record(opt, err);
	if (rc < 0) {
		recording_discard(path);
		return rc;
	}
	conclude(path, args->quiet);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct attach_args args = {
		.interval_ms = 1000,
		.max_size = 256ULL << 20,
		.follow = true,
		.http = true,
		.mode = "sample",
		.hertz = 99,
	};
	struct attach_options opt = { .python = true };
	struct admitted process;
	int arg, rc;

	arg = opt_parse(&cmd_attach, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != (args.cgroup ? 0 : 1))
		return err_set(err, -EINVAL, "one process, or --cgroup DIR: %s",
			       cmd_attach.usage);
	opt.exact = strcmp(args.mode, "exact") == 0;
	rc = check_args(&args, err);
	if (rc == 0)
		rc = record_args_rate(args.rate, opt.exact, &opt.mean_bytes,
				      err);
	if (rc == 0)
		rc = parse_budget(args.heap_budget, &opt.heap_cpu_pct, err);
	if (rc == 0 && !args.cgroup)
		rc = admit(&process, argv[arg], err);
	if (rc < 0)
		return rc;
	opt.process = args.cgroup ? NULL : &process;
	opt.cgroup = args.cgroup;
	opt.interval_ns = args.interval_ms * NS_PER_MS;
	opt.duration_ns = args.duration_ns;
	opt.max_bytes = args.max_size;
	opt.follow = args.follow;
	opt.http = args.http;
	opt.routes = args.routes.at;
	opt.route_count = args.routes.count;
	opt.handlers = args.handlers.at;
	opt.handler_count = args.handlers.count;
	opt.quiet = args.quiet;
	opt.heap = args.heap;
	opt.hertz = args.hertz;
	rc = attach(&args, &opt, err);
	if (opt.process)
		admitted_close(&process);
	return rc == -EINVAL ? -EIO : rc; /* the command line was right */
}

const struct command cmd_attach = {
	.name = "attach",
	.summary = "join a running server",
	.usage = "strandline attach PID [options]",
	.details =
		"Looks at a server that runs already, without restarting or "
		"stopping it, keeps a ledger of what its processes hold, and "
		"leaves it as it was: at Ctrl-C, after --duration, or when "
		"the server ends. Should strandline be killed, nothing of it "
		"stays behind either.\n\n"
		"With bpf, programs in the kernel watch it: who makes the "
		"resident size grow (kind rss), where CPU time goes (cpu) and "
		"what threads wait for (offcpu). That takes CAP_BPF and "
		"CAP_PERFMON, and CAP_SYS_PTRACE for processes of other "
		"users; all other rights are dropped.\n\n"
		"With inject, the recorder is sent into it: everything that "
		"`strandline run` records, from now on. That takes the right "
		"to trace it; one of its threads stands still for well under "
		"a millisecond, the others never. What the server allocated "
		"before is unknown, and never called a leak. At the end every "
		"call leads to where it led before. An allocator that is "
		"linked into the program (jemalloc in Rust, tcmalloc) is "
		"followed by a jump at the entry of each of its functions; "
		"for that all threads are stopped for a moment, and again "
		"when it leaves.",
	.examples = "strandline attach 1234\tuntil Ctrl-C\n"
		    "strandline attach $(pgrep -f uvicorn) --duration 60 -o "
		    "prod.strand\tfor a minute, into prod.strand\n",
	.options = options,
	.operands = OPERANDS_OTHER,
	.run = run,
};
