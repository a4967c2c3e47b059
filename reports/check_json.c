/*
 * check_json: the outcome of a gate by reports/check-schema.json.  Verdict and
 * findings are as in the JSON report.
 */
#include <math.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/base/buf.h"
#include "profiler/model/model.h"
#include "reports/check.h"
#include "reports/diff.h"
#include "reports/emit.h"
#include "reports/json.h"
#include "reports/outcome.h"
#include "reports/report.h"

static void put_recording(struct emit *e, const struct model *m)
{
	json_section(e, "recording", '{');
	emit_key_text(e, "name", m->name);
	emit_key_text(e, "path", m->path);
	emit_key_text(e, "command", m->command);
	emit_key_text(e, "mode", m->mode);
	emit_key_real(e, "duration_s", m->duration, 6);
	emit_key_unsigned(e, "requests", m->requests);
	emit_key_bool(e, "torn", m->torn);
	emit_close(e, '}');
}

static void put_check(struct emit *e, const struct check *c)
{
	const struct budget_kind *kind = &budget_kinds[c->budget->what];

	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "budget", kind->name);
	emit_key_text(e, "route", c->budget->route);
	emit_key_text(e, "endpoint", c->endpoint);
	emit_key_unsigned(e, "line", c->budget->line);
	emit_key_text(e, "state", check_state_name(c->state));
	emit_key_text(e, "unit", amount_unit_name(kind->unit));
	emit_key_real(e, "limit", c->budget->limit, 6);
	emit_key_real(e, "value", c->value.value, 6);
	emit_key_real(e, "low", c->value.low, 6);
	emit_key_real(e, "high", c->value.high, 6);
	emit_key_text(e, "sentence", c->sentence);
	emit_close(e, '}');
}

static void put_budgets(struct emit *e, const struct gate *g)
{
	const struct check *c;

	emit_line(e);
	emit_key_text(e, "config", g->config);
	json_section(e, "budgets", '[');
	vec_foreach (&g->checks->list, c)
		put_check(e, c);
	emit_close(e, ']');
}

static void put_baseline(struct emit *e, const struct gate *g)
{
	emit_line(e);
	emit_key(e, "baseline");
	if (!g->diff) {
		emit_null(e);
		return;
	}
	emit_open(e, '{');
	emit_key_real(e, "tolerance", g->tolerance, 6);
	emit_key_unsigned(e, "worse", g->worse);
	emit_key(e, "diff");
	diff_json_value(e, g->diff);
	emit_close(e, '}');
}

int check_json(const struct gate *g, const struct check_options *opt,
	       struct buf *out)
{
	struct report_options report = { .verdict = g->verdict,
					 .slow_ms = g->slow_ms,
					 .slow_limits = g->slow_limits };
	struct emit e = { .out = out };
	const char *caution;
	int rc;

	(void)opt;
	emit_open(&e, '{');
	emit_key_unsigned(&e, "schema", 1);
	emit_key_integer(&e, "status", g->status);
	emit_key_text(&e, "outcome", gate_status_name(g->status));
	put_recording(&e, g->model);
	json_section(&e, "notes", '[');
	for (unsigned n = 0; (caution = outcome_caution(g, n)); n++)
		emit_text(&e, caution);
	emit_close(&e, ']');
	rc = json_verdict(&e, g->model, &report);
	put_budgets(&e, g);
	put_baseline(&e, g);
	json_slow(&e, g->model, &report);
	emit_close(&e, '}');
	buf_putc(out, '\n');
	return rc < 0 ? rc : buf_status(out);
}
