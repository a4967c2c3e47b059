/*
 * check_junit: the outcome of a gate as JUnit XML, the dialect that Jenkins,
 * GitLab and the readers of GitHub take.
 *
 * A suite for leaks, one for budgets, one for the baseline.  What could not be
 * measured, and what is suppressed, is a skipped case, so that it is seen and
 * counted.
 */
#include <time.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/model/model.h"
#include "reports/check.h"
#include "reports/escape.h"
#include "reports/names.h"
#include "reports/outcome.h"

struct suite {
	const char *name;
	struct buf cases;
	unsigned tests, failures, skipped;
};

static void attribute(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, " %s=\"", name);
	escape_xml(out, value);
	buf_putc(out, '"');
}

static void begin_case(struct suite *s, const char *name)
{
	buf_puts(&s->cases, "    <testcase");
	attribute(&s->cases, "classname", s->name);
	attribute(&s->cases, "name", name);
	buf_puts(&s->cases, " time=\"0\"");
	s->tests++;
}

static void pass(struct suite *s)
{
	buf_puts(&s->cases, "/>\n");
}

static void skip(struct suite *s, const char *why)
{
	buf_puts(&s->cases, "><skipped");
	attribute(&s->cases, "message", why);
	buf_puts(&s->cases, "/></testcase>\n");
	s->skipped++;
}

/* @body is XML already. */
static void fail(struct suite *s, const char *type, const char *message,
		 const struct buf *body)
{
	buf_puts(&s->cases, "><failure");
	attribute(&s->cases, "message", message);
	attribute(&s->cases, "type", type);
	buf_putc(&s->cases, '>');
	buf_write(&s->cases, body->bytes, body->len);
	buf_puts(&s->cases, "</failure></testcase>\n");
	s->failures++;
	s->cases.failed |= body->failed;
}

/* The sentence alone. */
static void fail_plainly(struct suite *s, const char *type, const char *message)
{
	struct buf body = BUF_INIT;

	escape_xml(&body, message);
	fail(s, type, message, &body);
	buf_free(&body);
}

/* The stack, leaf first, a frame a line. */
static void put_stack(struct buf *out, const struct model *m, uint32_t node)
{
	struct buf line = BUF_INIT;

	for (; node != MODEL_NONE; node = m->nodes[node].parent) {
		const struct model_frame *f = &m->frames[m->nodes[node].frame];

		buf_clear(&line);
		name_put_function(&line, f);
		buf_puts(&line, "  ");
		name_put_place(&line, f, f->line, true);
		buf_puts(out, "\n  at ");
		if (buf_status(&line) < 0)
			out->failed = true;
		else
			escape_xml(out, line.bytes);
	}
	buf_free(&line);
}

static void put_finding(struct suite *s, const struct gate *g,
			const struct finding *f)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "%s%s%s", finding_class_name(f->class),
		   f->function ? " in " : "", f->function ? f->function : "");
	if (buf_status(&text) < 0) {
		s->cases.failed = true;
		return;
	}
	begin_case(s, text.bytes);
	buf_clear(&text);
	if (f->suppressed) {
		buf_printf(&text, "suppressed: %s", f->sentence);
		skip(s, buf_status(&text) < 0 ? "" : text.bytes);
	} else if (gate_fails(g, f)) {
		escape_xml(&text, f->sentence);
		put_stack(&text, g->model, f->node);
		fail(s, finding_class_name(f->class), f->sentence, &text);
	} else {
		skip(s, f->sentence);
	}
	buf_free(&text);
}

static void put_leaks(struct suite *s, const struct gate *g)
{
	const struct verdict *v = g->verdict;

	/* One case whose name is the same in every run. */
	begin_case(s, "verdict");
	if (g->failing)
		fail_plainly(s, finding_class_name(v->class), v->sentence);
	else if (v->class == FINDING_CLEAN)
		pass(s);
	else
		skip(s, v->sentence);
	for (size_t i = 0; i < v->finding_count; i++)
		if (v->findings[i].class != FINDING_CLEAN)
			put_finding(s, g, &v->findings[i]);
}

static void put_budgets(struct suite *s, const struct gate *g)
{
	const struct check *c;

	vec_foreach (&g->checks->list, c) {
		struct buf name = BUF_INIT;

		outcome_check_name(&name, c);
		if (buf_status(&name) < 0) {
			s->cases.failed = true;
			continue;
		}
		begin_case(s, name.bytes);
		if (c->state == CHECK_EXCEEDED)
			fail_plainly(s, "budget", c->sentence);
		else if (c->state == CHECK_UNKNOWN)
			skip(s, c->sentence);
		else
			pass(s);
		buf_free(&name);
	}
}

/* Only what a gate looks at: the rest is for `strandline diff`. */
static void put_baseline(struct suite *s, const struct gate *g)
{
	for (size_t i = 0; g->diff && i < g->diff->row_count; i++) {
		const struct diff_row *row = &g->diff->rows[i];
		struct buf name = BUF_INIT, text = BUF_INIT;

		if (!metric_kinds[row->what].gates)
			continue;
		outcome_row_name(&name, g->diff, row);
		outcome_row_text(&text, row);
		if (buf_status(&name) < 0 || buf_status(&text) < 0) {
			s->cases.failed = true;
			buf_free(&name);
			buf_free(&text);
			continue;
		}
		begin_case(s, name.bytes);
		if (gate_is_worse(g, row))
			fail_plainly(s, "baseline", text.bytes);
		else
			pass(s);
		buf_free(&name);
		buf_free(&text);
	}
}

static void put_suite(struct buf *out, const struct gate *g,
		      const struct suite *s)
{
	time_t began = (time_t)(g->model->start_unix_ns / 1000000000u);
	char stamp[32] = "1970-01-01T00:00:00";
	struct tm tm;

	if (gmtime_r(&began, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_puts(out, "  <testsuite");
	attribute(out, "name", s->name);
	attribute(out, "hostname", g->model->host ? g->model->host : "");
	buf_printf(out,
		   " timestamp=\"%s\" tests=\"%u\" failures=\"%u\" "
		   "errors=\"0\" skipped=\"%u\" time=\"%.3f\">\n",
		   stamp, s->tests, s->failures, s->skipped,
		   g->model->duration);
	if (s->cases.len)
		buf_write(out, s->cases.bytes, s->cases.len);
	buf_puts(out, "  </testsuite>\n");
	out->failed |= s->cases.failed;
}

int check_junit(const struct gate *g, const struct check_options *opt,
		struct buf *out)
{
	struct suite suites[] = { { .name = "strandline.leaks" },
				  { .name = "strandline.budgets" },
				  { .name = "strandline.baseline" } };
	struct suite all = { 0 };

	(void)opt;
	put_leaks(&suites[0], g);
	put_budgets(&suites[1], g);
	put_baseline(&suites[2], g);
	for (size_t i = 0; i < 3; i++) {
		all.tests += suites[i].tests;
		all.failures += suites[i].failures;
		all.skipped += suites[i].skipped;
	}
	buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		      "<testsuites name=\"strandline\"");
	buf_printf(out,
		   " tests=\"%u\" failures=\"%u\" errors=\"0\" "
		   "skipped=\"%u\" time=\"%.3f\">\n",
		   all.tests, all.failures, all.skipped, g->model->duration);
	for (size_t i = 0; i < 3; i++) {
		if (suites[i].tests)
			put_suite(out, g, &suites[i]);
		buf_free(&suites[i].cases);
	}
	buf_puts(out, "</testsuites>\n");
	return buf_status(out);
}
