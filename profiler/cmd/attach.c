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
#include "profiler/cmd/asked.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/conclude.h"
#include "profiler/cmd/record_args.h"
#include "profiler/cmd/recording.h"
#include "profiler/cmd/terminal.h"
#include "profiler/trace/writer.h"

#define NS_PER_MS	1000000ULL
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
	const char *output, *with, *cgroup, *heap_budget;
	uint64_t duration_ns;
	bool heap, dry_run, reach;
	struct record_args record;
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
	{ 0, "duration", OPT_DURATION, AT(duration_ns), "SECONDS",
	  "leave the server after this time (default at Ctrl-C, or when it "
	  "ends)",
	  NULL, false },
	{ 0, "cgroup", OPT_TEXT, AT(cgroup), "DIR",
	  "all processes of this cgroup, now and later, in place of a PID",
	  NULL, false },
	{ 0, "heap", OPT_FLAG, AT(heap), NULL,
	  "watch malloc and free, too, with bpf; what that costs is said "
	  "first",
	  NULL, false },
	{ 0, "heap-budget", OPT_TEXT, AT(heap_budget), "PERCENT",
	  "of one CPU, at which --heap switches itself off (default 2)", NULL,
	  false },
	{ 0, "reach", OPT_FLAG, AT(reach), NULL,
	  "with the recorder: look for blocks that nothing refers to, as "
	  "`run` does; the server stands still for some 10 ms a GiB",
	  NULL, false },
	{ 0, "dry-run", OPT_FLAG, AT(dry_run), NULL,
	  "say what would be done, and do nothing", NULL, false },
	RECORD_ARGS_OPTIONS(struct attach_args, record),
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

/* Of the way that was asked for: it is not possible, but another one is. */
static void name_another(const struct attach_way *asked,
			 const struct attach_options *opt, int rc,
			 struct err *err)
{
	const struct err why = *err;

	for (size_t i = 0; i < WAY_COUNT; i++) {
		struct err unused = ERR_INIT;

		if (ways[i] == asked || ways[i]->possible(opt, &unused) < 0)
			continue;
		err_set(err, rc, "%s; --with %s is possible", why.text,
			ways[i]->name);
		return;
	}
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
	if (name && (rc == -EPERM || rc == -ENOTSUP))
		name_another(*way, opt, rc, err);
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
		.handlers = opt->handlers,
		.handler_count = opt->handler_count,
		.hertz = way == &attach_bpf ? opt->hertz : 0,
	};
	int rc = recording_create(output, name, path, err);

	if (rc < 0)
		return rc;
	if (!realpath(path, absolute))
		return err_errno(err, "cannot use %s", path);
	return writer_meta(path, &meta, err);
}

/* What is left of them in @opt is for the way to time. */
static void split_handlers(struct attach_options *opt,
			   const struct attach_way *way, struct opt_list *timed)
{
	const bool probes = way == &attach_bpf;
	const struct asked_way asked = {
		.probes = probes,
		.heap = !probes || opt->heap,
		.times = probes,
		.requests = !probes,
		.for_times = "attach --with bpf",
	};

	asked_split(opt->handlers, opt->handler_count, &asked, timed);
	opt->handlers = timed->at;
	opt->handler_count = timed->count;
}

static int attach(const struct attach_args *args, struct attach_options *opt,
		  struct err *err)
{
	char path[PATH_MAX], absolute[PATH_MAX];
	const struct attach_way *way;
	struct opt_list timed;
	const char *with = args->with ? args->with : opt->heap ? "bpf" : NULL;
	int rc = choose_way(with, opt, &way, err);

	if (args->dry_run && (rc == 0 || with))
		return way->rehearse(opt, err);
	if (rc < 0)
		return rc;
	rc = make_recording(opt, args->output, way, path, absolute, err);
	if (rc < 0)
		return rc;
	split_handlers(opt, way, &timed);
	opt->dir = path;
	opt->absolute = absolute;
	rc = way->record(opt, err);
	if (rc < 0) {
		recording_discard(path);
		return rc;
	}
	conclude(path, args->record.quiet);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct attach_args args = { .record = RECORD_ARGS_DEFAULT };
	const struct record_args *r = &args.record;
	struct attach_options opt = { .python = true };
	struct admitted process;
	int arg, rc;

	arg = opt_parse(&cmd_attach, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != (args.cgroup ? 0 : 1))
		return err_set(err, -EINVAL, "one process, or --cgroup DIR: %s",
			       cmd_attach.usage);
	rc = record_args_check(&args.record, err);
	if (rc == 0)
		rc = parse_budget(args.heap_budget, &opt.heap_cpu_pct, err);
	if (rc == 0 && !args.cgroup)
		rc = admit(&process, argv[arg], err);
	if (rc < 0)
		return rc;
	opt.process = args.cgroup ? NULL : &process;
	opt.cgroup = args.cgroup;
	opt.exact = r->exact;
	opt.mean_bytes = r->mean_bytes;
	opt.interval_ns = r->interval_ms * NS_PER_MS;
	opt.duration_ns = args.duration_ns;
	opt.max_bytes = r->max_size;
	opt.follow = r->follow;
	opt.http = r->http;
	opt.routes = r->routes.at;
	opt.route_count = r->routes.count;
	opt.handlers = r->handlers.at;
	opt.handler_count = r->handlers.count;
	opt.quiet = r->quiet;
	opt.hertz = r->hertz;
	opt.heap = args.heap;
	opt.reach = args.reach;
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
		"before is unknown, and never called a leak. At the end what "
		"Python's blocks are and which functions answered is read "
		"from its memory, and every call leads to where it led "
		"before. Both can look at one server at the same time, each "
		"into a recording of its own: bpf for when bytes came, and "
		"inject for memory. An allocator that is "
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
