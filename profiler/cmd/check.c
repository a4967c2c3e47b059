/*
 * strandline check: the verdict, the budgets and the baseline of a recording
 * as one exit status, and as files for CI.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/measure.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/cmd/baseline.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/progress.h"
#include "profiler/cmd/reach.h"
#include "profiler/cmd/terminal.h"
#include "profiler/model/model.h"
#include "profiler/model/wrappers.h"
#include "reports/check.h"
#include "reports/reach.h"

#define CONFIG	 "strandline.yml"
#define APART_NS 2000000000ULL /* a block in flight is not in flight twice */

struct check_args {
	const char *config, *baseline, *tolerance;
	const char *junit, *sarif, *markdown, *json;
	struct opt_list suppressions, wrappers;
	uint64_t slow_ns;
	bool github, reach, quiet;
};

#define AT(field) offsetof(struct check_args, field)

static const struct opt options[] = {
	{ 'c', "config", OPT_TEXT, AT(config), "FILE",
	  "budgets and suppressions (default " CONFIG " in this folder, where "
	  "there is one)",
	  NULL, false },
	{ 0, "baseline", OPT_TEXT, AT(baseline), "DIR",
	  "a recording to be no worse than, or a folder of them, of which the "
	  "last ten count",
	  NULL, false },
	{ 0, "tolerance", OPT_TEXT, AT(tolerance), "PCT",
	  "how much worse than the baseline is still accepted (default 20 %)",
	  NULL, false },
	{ 0, "slow", OPT_DURATION, AT(slow_ns), "DURATION",
	  "list endpoints whose p95 is above it (default 1s, or what " CONFIG
	  " says)",
	  NULL, false },
	{ 0, "suppressions", OPT_LIST, AT(suppressions), "FILE",
	  "findings that are accepted, in the format of LeakSanitizer "
	  "(repeatable)",
	  NULL, false },
	{ 0, "wrapper", OPT_LIST, AT(wrappers), "NAME",
	  "a function that allocates for its caller, who is told instead; * "
	  "for any text (repeatable)",
	  NULL, false },
	{ 0, "junit", OPT_TEXT, AT(junit), "FILE", "write JUnit XML", NULL,
	  false },
	{ 0, "sarif", OPT_TEXT, AT(sarif), "FILE", "write SARIF 2.1.0", NULL,
	  false },
	{ 0, "markdown", OPT_TEXT, AT(markdown), "FILE",
	  "write a summary for a merge request", NULL, false },
	{ 0, "json", OPT_TEXT, AT(json), "FILE", "write all of it, for scripts",
	  NULL, false },
	{ 0, "github", OPT_FLAG, AT(github), NULL,
	  "print annotations for GitHub, and add the summary to "
	  "$GITHUB_STEP_SUMMARY",
	  NULL, false },
	{ 0, "reach", OPT_FLAG, AT(reach), NULL,
	  "RECORDING is the number of a process that records: look twice for "
	  "blocks that nothing refers to, then judge",
	  NULL, false },
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL, "print no text", NULL,
	  false },
	{ 0 },
};

/* Everything that a check holds, so that one function can let it all go. */
struct state {
	const struct check_args *args;
	struct budgets budgets;
	struct checks checks;
	struct model *model;
	struct verdict *verdict;
	struct measure *measure;
	struct baseline baseline;
	struct diff *diff;
	struct gate gate;
};

static void state_fini(struct state *s)
{
	diff_free(s->diff);
	baseline_free(&s->baseline);
	measure_free(s->measure);
	checks_free(&s->checks);
	verdict_free(s->verdict);
	model_free(s->model);
	budgets_fini(&s->budgets);
}

/* "20", "20%" or "20 %" -> 0.2 */
static int parse_tolerance(const char *text, double *share, struct err *err)
{
	struct err why = ERR_INIT;
	char with_sign[64];
	int rc;

	snprintf(with_sign, sizeof(with_sign), "%s%s", text,
		 strchr(text, '%') ? "" : "%");
	rc = units_parse_share(with_sign, share, &why);
	if (rc < 0)
		return err_set(
			err, -EINVAL,
			"--tolerance: '%s' is no share; write it as 20%%",
			text);
	return 0;
}

/* @name as it stands in the file @config: beside that. */
static int beside(char path[PATH_MAX], const char *config, const char *name)
{
	const char *slash = config ? strrchr(config, '/') : NULL;
	int len = slash && *name != '/' ? (int)(slash - config) + 1 : 0;

	return snprintf(path, PATH_MAX, "%.*s%s", len, config, name) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

static int read_suppressions(struct state *s, const char *path, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc = buf_read_file(&text, path, err);

	if (rc == 0)
		rc = suppressions_parse(&s->budgets.suppressions, path, 1,
					text.bytes ? text.bytes : "", text.len,
					err);
	buf_free(&text);
	return rc;
}

static int read_all_suppressions(struct state *s, struct err *err)
{
	const struct opt_list *given = &s->args->suppressions;
	char path[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->budgets.suppression_files.count;
	     i++) {
		rc = beside(path, s->gate.config,
			    s->budgets.suppression_files.at[i]);
		if (rc < 0)
			return err_set(err, rc, "%s: the path is too long",
				       s->budgets.suppression_files.at[i]);
		rc = read_suppressions(s, path, err);
	}
	for (size_t i = 0; rc == 0 && i < given->count; i++)
		rc = read_suppressions(s, given->at[i], err);
	return rc;
}

/* What was asked for, or what lies here; the latter is said. */
static int read_config(struct state *s, struct err *err)
{
	struct buf text = BUF_INIT;
	int rc;

	s->gate.config = s->args->config;
	if (!s->gate.config && access(CONFIG, F_OK) == 0) {
		s->gate.config = CONFIG;
		if (!s->args->quiet)
			terminal_note("budgets of " CONFIG
				      " in this folder are used");
	}
	if (s->gate.config) {
		rc = buf_read_file(&text, s->gate.config, err);
		if (rc == 0)
			rc = budgets_parse(&s->budgets, s->gate.config,
					   text.bytes ? text.bytes : "",
					   text.len, err);
		buf_free(&text);
		if (rc < 0)
			return rc;
	}
	return read_all_suppressions(s, err);
}

static int read_recording(struct state *s, const char *recording,
			  struct err *err)
{
	struct progress *progress = progress_begin("reading", recording);
	int rc = model_load(&s->model, recording, err);

	for (size_t i = 0; rc == 0 && i < s->args->wrappers.count; i++)
		rc = wrappers_add(s->model, s->args->wrappers.at[i], err);
	if (rc == 0)
		rc = verdict_of(&s->verdict, s->model, err);
	progress_end(progress);
	if (rc < 0)
		return rc;
	suppressions_apply(&s->budgets.suppressions, s->model, s->verdict);
	rc = verdict_settle(s->verdict);
	if (rc < 0)
		return err_set(err, rc, "out of memory");
	return checks_of(&s->checks, &s->budgets, s->model, err);
}

static int compare(struct state *s, struct err *err)
{
	const struct measure *new;
	int rc;

	if (!s->args->baseline)
		return 0;
	rc = measure_of(&s->measure, s->model, err);
	if (rc == 0)
		rc = baseline_load(&s->baseline, s->args->baseline, s->measure,
				   &s->args->wrappers, err);
	new = s->measure;
	if (rc == 0)
		rc = diff_of(&s->diff,
			     (const struct measure *const *)s->baseline.runs,
			     s->baseline.count, &new, 1, err);
	return rc;
}

static void settle(struct state *s)
{
	s->gate.model = s->model;
	s->gate.verdict = s->verdict;
	s->gate.budgets = &s->budgets;
	s->gate.checks = &s->checks;
	s->gate.diff = s->diff;
	s->gate.slow_ms = s->args->slow_ns ? (double)s->args->slow_ns / 1e6
					   : s->budgets.slow_ms;
	s->gate.slow_limits = s->args->slow_ns ? NULL : &s->budgets.slow_limits;
	gate_settle(&s->gate);
}

typedef int check_writer(const struct gate *g, const struct check_options *opt,
			 struct buf *out);

static int render(const struct state *s, check_writer *write,
		  const struct check_options *opt, struct buf *out,
		  struct err *err)
{
	int rc = write(&s->gate, opt, out);

	return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

static int write_to(const struct state *s, const char *path,
		    check_writer *write, const struct check_options *opt,
		    struct err *err)
{
	struct buf out = BUF_INIT;
	int rc;

	if (!path)
		return 0;
	rc = render(s, write, opt, &out, err);
	if (rc == 0)
		rc = buf_write_file(&out, path, err);
	buf_free(&out);
	return rc;
}

/* Steps of a job share the file, so it is appended to. */
static int append(const struct buf *out, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	const char *at = out->bytes;
	size_t left = out->len;
	ssize_t wrote = 0;
	int rc = 0;

	if (fd < 0)
		return err_errno(err, "cannot open %s", path);
	for (; left > 0 && wrote >= 0; left -= (size_t)wrote, at += wrote) {
		wrote = write(fd, at, left);
		if (wrote < 0)
			break;
	}
	if (wrote < 0)
		rc = err_errno(err, "cannot write %s", path);
	close(fd);
	return rc;
}

static int write_github(const struct state *s, const struct check_options *opt,
			struct err *err)
{
	const char *summary = getenv("GITHUB_STEP_SUMMARY");
	struct buf out = BUF_INIT;
	int rc;

	if (!s->args->github)
		return 0;
	rc = write_to(s, "-", check_github, opt, err);
	if (rc < 0 || !summary || !*summary)
		return rc;
	rc = render(s, check_markdown, opt, &out, err);
	if (rc == 0)
		rc = append(&out, summary, err);
	buf_free(&out);
	return rc;
}

/* The source tree: where CI says it is, else where we stand. */
static const char *source_root(char here[PATH_MAX])
{
	static const char *const names[] = { "GITHUB_WORKSPACE",
					     "CI_PROJECT_DIR" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *root = getenv(names[i]);

		if (root && *root)
			return root;
	}
	return getcwd(here, PATH_MAX);
}

static int write_all(const struct state *s, struct err *err)
{
	const struct check_args *args = s->args;
	char here[PATH_MAX];
	struct check_options opt = {
		.root = source_root(here),
		.columns = terminal_columns(),
		.color = terminal_color(),
	};
	int rc = write_to(s, args->quiet ? NULL : "-", check_text, &opt, err);

	if (rc == 0)
		rc = write_to(s, args->junit, check_junit, &opt, err);
	if (rc == 0)
		rc = write_to(s, args->sarif, check_sarif, &opt, err);
	if (rc == 0)
		rc = write_to(s, args->markdown, check_markdown, &opt, err);
	if (rc == 0)
		rc = write_to(s, args->json, check_json, &opt, err);
	return rc < 0 ? rc : write_github(s, &opt, err);
}

/* What two scans of process @word have found goes into its recording first. */
static int scan_process(const char *word, char **recording, struct err *err)
{
	char *end;
	long pid = strtol(word, &end, 10);

	*recording = NULL;
	if (*end || end == word || pid <= 0 || pid > INT_MAX)
		return err_set(err, -EINVAL,
			       "--reach: '%s' is not the number of a process",
			       word);
	return reach_check((pid_t)pid, APART_NS, recording, err);
}

static int write_reach(const struct state *s, struct err *err)
{
	const struct report_options opt = { .columns = terminal_columns(),
					    .color = terminal_color() };
	struct buf out = BUF_INIT;
	int rc;

	if (!s->args->reach || s->args->quiet)
		return 0;
	rc = report_reach(s->model, &opt, &out);
	if (rc < 0)
		err_set(err, rc, "out of memory");
	else
		rc = buf_write_file(&out, "-", err);
	buf_free(&out);
	return rc;
}

static int run(int argc, char **argv, struct err *err)
{
	struct check_args args = { .tolerance = "20%" };
	struct state s = { .args = &args };
	char *scanned = NULL;
	int arg, rc;

	arg = opt_parse(&cmd_check, &args, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 1)
		return err_set(err, -EINVAL, "expected one recording: %s",
			       cmd_check.usage);
	rc = parse_tolerance(args.tolerance, &s.gate.tolerance, err);
	if (rc < 0)
		return rc;
	budgets_init(&s.budgets);
	rc = read_config(&s, err);
	if (rc == 0 && args.reach)
		rc = scan_process(argv[arg], &scanned, err);
	if (rc == 0)
		rc = read_recording(&s, scanned ? scanned : argv[arg], err);
	if (rc == 0)
		rc = compare(&s, err);
	if (rc == 0) {
		settle(&s);
		rc = write_reach(&s, err);
	}
	if (rc == 0)
		rc = write_all(&s, err);
	if (rc == 0)
		rc = (int)s.gate.status;
	state_fini(&s);
	free(scanned);
	return rc;
}

const struct command cmd_check = {
	.name = "check",
	.summary = "fail on leaks, exceeded budgets and regressions, for CI",
	.usage = "strandline check RECORDING|--reach PID [-c FILE] [options]",
	.details =
		"Judges a recording: whether the server leaks or grows, "
		"whether it kept to the budgets of " CONFIG ", and whether it "
		"is worse than a baseline. Ends with a status that CI can act "
		"on; of several from 10 to 13 it is the smallest.\n\n"
		"Budgets stand in " CONFIG ", under memory: rss_max, "
		"growth_per_request_max, retained_after_idle_max, and for "
		"endpoints, by route, alloc_max and retained_max, both per "
		"request; under latency, for endpoints: p50_max, p95_max, "
		"p99_max, ttfb_p50_max, ttfb_p95_max, error_rate_max and "
		"throughput_min; under threads and fds: max. A route is "
		"'POST /path', '/path', or has * for any text. Under leaks: "
		"fail, the classes that fail (leak, growth, mappings, "
		"threads, fds; retention is the one that does not unless "
		"listed), suppressions, lines such as leak:NAME, and "
		"suppression_files. What could not be measured is said; with "
		"missing: fail it is status 13. With inconclusive: ignore too "
		"little data passes.\n\n"
		"A baseline is a recording of the same program, or a folder "
		"of them. Findings keep their fingerprints when lines move, "
		"so that code scanning knows them again.",
	.examples =
		"strandline check shop.strand\tthe verdict, and the budgets of "
		"this folder\n"
		"strandline check shop.strand --baseline runs/ --tolerance 10\t"
		"no more than 10 % worse than the last ten runs\n"
		"strandline check shop.strand --github --sarif leaks.sarif\t"
		"in a workflow of GitHub\n"
		"strandline check shop.strand --junit junit.xml --markdown "
		"note.md\tin a pipeline of GitLab\n"
		"strandline check --reach 4711\twhat has this server lost?\n",
	.statuses = "0\tall is well\n"
		    "10\tthe server leaks, or grows without bound\n"
		    "11\ta budget is exceeded\n"
		    "12\ta figure is worse than the baseline by more than the "
		    "tolerance, for sure\n"
		    "13\tinconclusive: there is too little data to say, and "
		    "the text says how much more is needed\n"
		    "1\tstrandline itself failed; one sentence on standard "
		    "error says why\n"
		    "2\tthe command line or " CONFIG " is wrong\n",
	.options = options,
	.operands = OPERANDS_RECORDING,
	.run = run,
};
