/*
 * check_github: workflow commands, which GitHub shows beside the code.
 *
 * GitHub keeps ten of a level from a step and drops the others unsaid, so the
 * headline comes first and the eleventh is not written.
 */
#include <stdio.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "reports/check.h"
#include "reports/escape.h"
#include "reports/outcome.h"

#define MOST_OF_A_LEVEL 10u

enum level { ERROR, WARNING, NOTICE, LEVELS };

struct notes {
	struct buf *out;
	const char *root;
	unsigned count[LEVELS];
};

static void put_place(struct notes *n, const char *file, uint32_t line)
{
	bool below;

	if (!file)
		return;
	file = outcome_path(file, n->root, &below);
	if (!below)
		return; /* not in the tree that is shown */
	buf_puts(n->out, "file=");
	escape_workflow_property(n->out, file);
	if (line)
		buf_printf(n->out, ",line=%u", line);
	buf_putc(n->out, ',');
}

static void note(struct notes *n, enum level level, const char *file,
		 uint32_t line, const char *title, const char *text)
{
	static const char *const names[] = { "error", "warning", "notice" };

	if (n->count[level]++ >= MOST_OF_A_LEVEL)
		return;
	buf_printf(n->out, "::%s ", names[level]);
	put_place(n, file, line);
	buf_puts(n->out, "title=strandline%3A ");
	escape_workflow_property(n->out, title);
	buf_puts(n->out, "::");
	escape_workflow(n->out, text);
	buf_putc(n->out, '\n');
}

static void put_headline(struct notes *n, const struct gate *g)
{
	struct buf title = BUF_INIT;

	outcome_headline(&title, g);
	if (buf_status(&title) < 0)
		n->out->failed = true;
	else
		note(n,
		     g->status == GATE_PASS	      ? NOTICE
		     : g->status == GATE_INCONCLUSIVE ? WARNING
						      : ERROR,
		     NULL, 0, title.bytes, g->verdict->sentence);
	buf_free(&title);
}

static void put_findings(struct notes *n, const struct gate *g)
{
	for (size_t i = 0; i < g->verdict->finding_count; i++) {
		const struct finding *f = &g->verdict->findings[i];

		if (!f->suppressed && f->class != FINDING_CLEAN)
			note(n, gate_fails(g, f) ? ERROR : WARNING, f->file,
			     f->line, finding_class_name(f->class),
			     f->sentence);
	}
}

static void put_checks(struct notes *n, const struct gate *g)
{
	const struct check *c;

	vec_foreach (&g->checks->list, c) {
		struct buf title = BUF_INIT;

		outcome_check_name(&title, c);
		if (buf_status(&title) < 0)
			n->out->failed = true;
		else if (c->state != CHECK_PASS)
			note(n, c->state == CHECK_EXCEEDED ? ERROR : WARNING,
			     g->config, c->budget->line, title.bytes,
			     c->sentence);
		buf_free(&title);
	}
}

static void put_rows(struct notes *n, const struct gate *g)
{
	for (size_t i = 0; g->diff && i < g->diff->row_count; i++) {
		struct buf title = BUF_INIT, text = BUF_INIT;

		if (!gate_is_worse(g, &g->diff->rows[i]))
			continue;
		outcome_row_name(&title, g->diff, &g->diff->rows[i]);
		outcome_row_text(&text, &g->diff->rows[i]);
		if (buf_status(&title) < 0 || buf_status(&text) < 0)
			n->out->failed = true;
		else
			note(n, ERROR, NULL, 0, title.bytes, text.bytes);
		buf_free(&title);
		buf_free(&text);
	}
}

int check_github(const struct gate *g, const struct check_options *opt,
		 struct buf *out)
{
	struct notes n = { .out = out, .root = opt->root };

	put_headline(&n, g);
	put_findings(&n, g);
	put_checks(&n, g);
	put_rows(&n, g);
	return buf_status(out);
}
