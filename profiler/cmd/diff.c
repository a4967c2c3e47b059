/*
 * strandline diff: what changed between two recordings, or two folders of
 * them.
 */
#include "profiler/analysis/diff.h"

#include <errno.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/baseline.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/judged.h"
#include "profiler/cmd/terminal.h"
#include "reports/diff.h"
#include "reports/html.h"

struct diff_args {
	const char *format, *output;
	uint64_t top;
	struct opt_list wrappers;
};

static const char *format_choice(size_t n)
{
	return diff_formats[n].name; /* the last one's is NULL */
}

#define AT(field) offsetof(struct diff_args, field)

static const struct opt options[] = {
	{ 'f', "format", OPT_CHOICE, AT(format), "FORMAT",
	  "what to write (default text)", format_choice, false },
	{ 'o', "output", OPT_TEXT, AT(output), "FILE",
	  "where to write; - is standard output (default)", NULL, false },
	{ 0, "top", OPT_COUNT, AT(top), "N", "sites shown (default 10)", NULL,
	  false },
	{ 0, "wrapper", OPT_LIST, AT(wrappers), "NAME",
	  "a function that allocates for its caller, who is told instead; * "
	  "for any text (repeatable)",
	  NULL, false },
	{ 0 },
};

/* Of the newest recordings, where either side is several. */
static int write_page(const struct diff *d, const struct diff_args *args,
		      struct buf *out, struct err *err)
{
	struct judged new = { NULL, NULL }, base = { NULL, NULL };
	const char *missing = html_missing();
	struct report_options opt = { 0 };
	int rc;

	if (missing)
		return err_set(err, -ENOTSUP, "%s", missing);
	rc = judged_load(&new, d->new.path, MODEL_VIEW_MIXED, &args->wrappers,
			 err);
	if (rc == 0)
		rc = judged_load(&base, d->base.path, MODEL_VIEW_MIXED,
				 &args->wrappers, err);
	if (rc == 0) {
		opt.verdict = new.verdict;
		opt.kind = report_default_kind(new.model);
		rc = html_diff(new.model, &opt,
			       &(struct html_base) { base.model, d }, out);
	}
	judged_free(&new);
	judged_free(&base);
	return rc;
}

static int write_diff(const struct diff *d, const struct diff_args *args,
		      struct err *err)
{
	const struct diff_format *format = diff_format_find(args->format);
	bool terminal = strcmp(args->output, "-") == 0;
	struct diff_options opt = {
		.top = args->top,
		.color = terminal && terminal_color(),
		.columns = terminal ? terminal_columns() : 0,
	};
	struct buf out = BUF_INIT;
	int rc = format->write ? format->write(d, &opt, &out)
			       : write_page(d, args, &out, err);

	if (rc == -ENOMEM)
		err_set(err, rc, "out of memory");
	else if (rc == 0)
		rc = buf_write_file(&out, args->output, err);
	buf_free(&out);
	return rc;
}

static int compare(const struct baseline *base, const struct baseline *new,
		   const struct diff_args *args, struct err *err)
{
	struct diff *d;
	int rc = diff_of(&d, (const struct measure *const *)base->runs,
			 base->count, (const struct measure *const *)new->runs,
			 new->count, err);

	if (rc < 0)
		return rc;
	rc = write_diff(d, args, err);
	diff_free(d);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct diff_args args = { .format = "text", .output = "-" };
	struct baseline base = { .count = 0 }, new = { .count = 0 };
	int arg, rc;

	arg = opt_parse(&cmd_diff, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 2)
		return err_set(err, -EINVAL,
			       "expected two recordings, or folders of them: "
			       "%s",
			       cmd_diff.usage);
	rc = baseline_load(&new, argv[arg + 1], NULL, &args.wrappers, err);
	if (rc == 0)
		rc = baseline_load(&base, argv[arg], new.runs[0],
				   &args.wrappers, err);
	if (rc == 0)
		rc = compare(&base, &new, &args, err);
	baseline_free(&base);
	baseline_free(&new);
	return rc;
}

const struct command cmd_diff = {
	.name = "diff",
	.summary = "compare two recordings, or folders of them",
	.usage = "strandline diff BASE NEW [-f FORMAT] [-o FILE]",
	.details =
		"Compares two recordings of a program: memory, CPU time, "
		"endpoints and allocation sites. What flows is divided by the "
		"requests that were served, or by seconds where there were "
		"none; what is worse or better is told from noise by the "
		"uncertainty of either.\n\n"
		"Where BASE or NEW is a folder of recordings, its last ten "
		"are taken together: how much they differ among themselves "
		"then says how much one run can be trusted, and one odd run "
		"of three or more moves nothing.\n\n"
		"Sites are matched by the functions and modules of their "
		"stacks, so they are found again after lines moved. Of "
		"recordings on two allocators (see run --allocator) it says "
		"which returns more memory, and at what price.",
	.examples = "strandline diff before.strand after.strand\twhat a change "
		    "did\n"
		    "strandline diff -f md runs/ new.strand\ta table for a "
		    "merge request, against the last ten runs\n",
	.options = options,
	.operands = OPERANDS_RECORDING,
	.run = run,
};
