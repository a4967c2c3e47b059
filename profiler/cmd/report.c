/*
 * strandline report: render a recording in one of the report formats.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/judged.h"
#include "profiler/cmd/report.h"
#include "profiler/cmd/terminal.h"
#include "profiler/model/model.h"
#include "reports/report.h"

struct report_args {
	const char *format, *kind, *output, *template, *config;
	uint64_t slow_ns;
	uint64_t top;
	bool native_only, python_only, endpoints, course;
	struct opt_list wrappers;
};

static const char *format_choice(size_t n)
{
	return report_formats[n].name; /* the last one's is NULL */
}

/* The weights a recording can have. */
static const char *kind_choice(size_t n)
{
	static const enum model_kind kinds[] = {
		MODEL_LIVE,	 MODEL_ALLOC,  MODEL_PEAK,
		MODEL_TEMPORARY, MODEL_RSS,    MODEL_LEAK,
		MODEL_CPU,	 MODEL_OFFCPU, MODEL_WALL,
	};

	if (n >= sizeof(kinds) / sizeof(kinds[0]))
		return NULL;
	return model_kind_name(kinds[n]);
}

static const char *template_choice(size_t n)
{
	return n == 0 ? "performance" : NULL;
}

#define AT(field) offsetof(struct report_args, field)

static const struct opt options[] = {
	{ 'f', "format", OPT_CHOICE, AT(format), "FORMAT",
	  "what to write (default text)", format_choice, false },
	{ 'k', "kind", OPT_CHOICE, AT(kind), "KIND",
	  "what stacks are weighed by (default live, or peak where the "
	  "server freed most as it ended)",
	  kind_choice, false },
	{ 'o', "output", OPT_TEXT, AT(output), "FILE",
	  "where to write; - is standard output (default)", NULL, false },
	{ 0, "template", OPT_CHOICE, AT(template), "NAME",
	  "with -f md: the whole document of a load test", template_choice,
	  false },
	{ 'c', "config", OPT_TEXT, AT(config), "FILE",
	  "a strandline.yml whose targets endpoints are rated by", NULL,
	  false },
	{ 0, "endpoints", OPT_FLAG, AT(endpoints), NULL,
	  "with -f csv: a row for each endpoint", NULL, false },
	{ 0, "course", OPT_FLAG, AT(course), NULL,
	  "with -f csv: how the latency of each endpoint went, a row for each "
	  "window",
	  NULL, false },
	{ 0, "slow", OPT_DURATION, AT(slow_ns), "DURATION",
	  "endpoints whose p95 is above it are slow (default 1s, or what -c "
	  "says)",
	  NULL, false },
	{ 0, "top", OPT_COUNT, AT(top), "N",
	  "rows in tables (default: as the format likes)", NULL, false },
	{ 0, "native-only", OPT_FLAG, AT(native_only), NULL,
	  "leave Python frames out of stacks", NULL, false },
	{ 0, "python-only", OPT_FLAG, AT(python_only), NULL,
	  "leave native frames out of stacks", NULL, false },
	{ 0, "wrapper", OPT_LIST, AT(wrappers), "NAME",
	  "a function that allocates for its caller, who is told instead; * "
	  "for any text (repeatable)",
	  NULL, false },
	{ 0 },
};

/* What was asked for, if it can be in the recording at all. */
static int kind_of(const struct model *m, const char *name,
		   enum model_kind *kind, struct err *err)
{
	int rc = model_kind_parse(name, kind, err);
	const char *missing;

	if (rc < 0)
		return rc;
	missing = report_kind_missing(m, *kind);
	if (missing)
		return err_set(err, -ENODATA, "%s: no kind %s in it: %s",
			       m->path, name, missing);
	return 0;
}

static int write_report(const struct model *m, const struct verdict *verdict,
			const struct checks *checks,
			const struct budgets *budgets,
			const struct report_args *args, struct err *err)
{
	const struct report_format *format = report_format_find(args->format);
	bool terminal = strcmp(args->output, "-") == 0;
	struct report_options opt = {
		.top = args->top > UINT_MAX ? UINT_MAX : (unsigned)args->top,
		.color = terminal && terminal_color(),
		.columns = terminal ? terminal_columns() : 0,
		.native_only = args->native_only,
		.python_only = args->python_only,
		.verdict = verdict,
		.performance = args->template != NULL,
		.by_kind = args->kind != NULL,
		.endpoints = args->endpoints,
		.course = args->course,
		.slow_ms = (double)args->slow_ns / 1e6,
		.checks = checks,
	};
	const char *missing = format->missing ? format->missing() : NULL;
	struct buf out = BUF_INIT;
	int rc;

	if (missing)
		return err_set(err, -ENOTSUP, "%s", missing);
	if (budgets && !args->slow_ns) {
		opt.slow_ms = budgets->slow_ms;
		opt.slow_limits = &budgets->slow_limits;
	}
	if (args->kind) {
		rc = kind_of(m, args->kind, &opt.kind, err);
		if (rc < 0)
			return rc;
	} else {
		opt.kind = report_default_kind(m);
	}
	rc = format->write(m, &opt, &out);
	if (rc < 0)
		err_set(err, rc, "%s: cannot write it as %s: %s", m->path,
			format->name, strerror(-rc));
	else
		rc = buf_write_file(&out, args->output, err);
	buf_free(&out);
	return rc;
}

/* Write it with what @args->config asks for, if anything. */
static int hold_and_write(const struct model *m, const struct verdict *verdict,
			  const struct report_args *args, struct err *err)
{
	struct buf text = BUF_INIT;
	struct budgets budgets;
	struct checks checks = { 0 };
	int rc;

	if (!args->config)
		return write_report(m, verdict, NULL, NULL, args, err);
	budgets_init(&budgets);
	rc = buf_read_file(&text, args->config, err);
	if (rc == 0)
		rc = budgets_parse(&budgets, args->config,
				   text.bytes ? text.bytes : "", text.len, err);
	if (rc == 0)
		rc = checks_of(&checks, &budgets, m, err);
	if (rc == 0)
		rc = write_report(m, verdict, &checks, &budgets, args, err);
	checks_free(&checks);
	budgets_fini(&budgets);
	buf_free(&text);
	return rc;
}

static enum model_view view_of(const struct report_args *args)
{
	if (args->native_only)
		return MODEL_VIEW_NATIVE;
	return args->python_only ? MODEL_VIEW_PYTHON : MODEL_VIEW_MIXED;
}

static int load_and_write(const char *recording, const struct report_args *args,
			  struct err *err)
{
	struct judged j;
	int rc =
		judged_load(&j, recording, view_of(args), &args->wrappers, err);

	if (rc < 0)
		return rc;
	rc = hold_and_write(j.model, j.verdict, args, err);
	judged_free(&j);
	return rc;
}

static struct report_args defaults(void)
{
	return (struct report_args) {
		.format = "text",
		.output = "-",
	};
}

int report_summary(const char *recording, struct err *err)
{
	struct report_args args = defaults();

	return load_and_write(recording, &args, err);
}

static bool is_rated(const struct report_args *args)
{
	return strcmp(args->format, "text") == 0 ||
	       strcmp(args->format, "json") == 0 ||
	       strcmp(args->format, "md") == 0 || args->endpoints;
}

static int run(int argc, char **argv, struct err *err)
{
	struct report_args args = defaults();
	int arg;

	arg = opt_parse(&cmd_report, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 1)
		return err_set(err, -EINVAL, "expected one recording: %s",
			       cmd_report.usage);
	if (args.native_only && args.python_only)
		return err_set(err, -EINVAL,
			       "--native-only and --python-only together leave "
			       "no frame; give one of them");
	if (args.template && strcmp(args.format, "md") != 0)
		return err_set(err, -EINVAL,
			       "--template is for -f md, not for -f %s",
			       args.format);
	if (args.endpoints && strcmp(args.format, "csv") != 0)
		return err_set(
			err, -EINVAL,
			"--endpoints is for -f csv, not for -f %s; text, "
			"json and md have a table of them",
			args.format);
	if (args.course && strcmp(args.format, "csv") != 0)
		return err_set(err, -EINVAL,
			       "--course is for -f csv, not for -f %s; json "
			       "has it with each endpoint",
			       args.format);
	if (args.course && args.endpoints)
		return err_set(err, -EINVAL,
			       "--course and --endpoints are two tables; give "
			       "one of them");
	if (args.config && !is_rated(&args))
		return err_set(err, -EINVAL,
			       "-c is for formats that rate endpoints: text, "
			       "json, md, csv with --endpoints; strandline "
			       "check holds a recording to %s",
			       args.config);
	return load_and_write(argv[arg], &args, err);
}

const struct command cmd_report = {
	.name = "report",
	.summary = "render a recording",
	.usage = "strandline report RECORDING|FILE [-f FORMAT] [-k KIND] [-o "
		 "FILE]",
	.details =
		"Reads the recording directory that run left and writes what "
		"is in it. A recording that is still being written, or that "
		"was cut short, is read as far as it goes. So is a file of "
		"another tool, which diff takes as well: a heap dump of "
		"jemalloc (heap_v2), folded stacks, a profile of pprof.\n\n"
		"The kind is what a stack weighs: live, the bytes it holds at "
		"the end; alloc, all that it ever asked for; peak, what it "
		"held when the whole target held most; temporary, what was "
		"given back at once; rss, what it added to the resident "
		"memory; leak, by how much it grew where the verdict says "
		"that it leaks or grows; cpu, offcpu and wall, the time that "
		"it ran, waited, and both, as probes in the kernel saw it. A "
		"kind that the recording cannot hold is refused.",
	.examples = "strandline report python3-1.strand\ta summary\n"
		    "strandline report -f svg -k peak -o peak.svg "
		    "python3-1.strand\ta flame graph of the high-water mark\n"
		    "strandline report -f folded python3-1.strand\tstacks for "
		    "other flame graph tools\n"
		    "strandline report -f md --template performance "
		    "python3-1.strand\tthe report of a load test\n",
	.options = options,
	.operands = OPERANDS_RECORDING,
	.run = run,
};
