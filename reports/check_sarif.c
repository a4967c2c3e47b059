/*
 * check_sarif: the outcome of a gate as SARIF 2.1.0, for code scanning.
 *
 * Readers tell alerts of two runs apart by partialFingerprints, so these name
 * the stack, the budget or the figure, and nothing of the run.
 */
#include <stdio.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/analysis/verdict.h"
#include "profiler/base/buf.h"
#include "profiler/model/model.h"
#include "reports/check.h"
#include "reports/emit.h"
#include "reports/escape.h"
#include "reports/names.h"
#include "reports/outcome.h"

#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

struct rule {
	const char *id, *name, *text;
};

/* The classes of findings in their order, then budgets and the baseline. */
static const struct rule rules[] = {
	{ "leak", "Leak",
	  "Memory that is never freed, more of it with every request." },
	{ "growth", "UnboundedGrowth",
	  "Memory that is still referenced and grows without bound." },
	{ "mappings", "MappingGrowth",
	  "Memory that is mapped and never unmapped." },
	{ "threads", "ThreadGrowth", "Ever more threads." },
	{ "fds", "DescriptorGrowth", "Ever more file descriptors." },
	{ "retention", "AllocatorRetention",
	  "Resident memory grows and the live heap does not." },
	{ "inconclusive", "Inconclusive",
	  "There is too little data for a verdict." },
	{ "budget", "BudgetExceeded", "A budget of strandline.yml." },
	{ "baseline", "WorseThanBaseline",
	  "A figure that is worse than in the baseline." },
};

#define RULE_COUNT    (sizeof(rules) / sizeof(rules[0]))
#define RULE_BUDGET   (RULE_COUNT - 2)
#define RULE_BASELINE (RULE_COUNT - 1)

_Static_assert(RULE_BUDGET == FINDING_CLEAN, "a rule for each class");

static void put_message(struct emit *e, const char *key, const char *text)
{
	emit_key(e, key);
	emit_open(e, '{');
	emit_key_text(e, "text", text);
	emit_close(e, '}');
}

static void put_rules(struct emit *e)
{
	emit_key(e, "rules");
	emit_open(e, '[');
	for (size_t i = 0; i < RULE_COUNT; i++) {
		emit_line(e);
		emit_open(e, '{');
		emit_key_text(e, "id", rules[i].id);
		emit_key_text(e, "name", rules[i].name);
		put_message(e, "shortDescription", rules[i].text);
		emit_close(e, '}');
	}
	emit_close(e, ']');
}

static void put_file(struct emit *e, const char *file, uint32_t line,
		     const char *root)
{
	struct buf uri = BUF_INIT;
	bool below;

	file = outcome_path(file, root, &below);
	if (file[0] == '/')
		buf_puts(&uri, "file://");
	escape_uri(&uri, file);
	emit_key(e, "physicalLocation");
	emit_open(e, '{');
	emit_key(e, "artifactLocation");
	emit_open(e, '{');
	if (buf_status(&uri) < 0)
		e->out->failed = true;
	else
		emit_key_text(e, "uri", uri.bytes);
	if (below)
		emit_key_text(e, "uriBaseId", "%SRCROOT%");
	emit_close(e, '}');
	if (line) {
		emit_key(e, "region");
		emit_open(e, '{');
		emit_key_unsigned(e, "startLine", line);
		emit_close(e, '}');
	}
	emit_close(e, '}');
	buf_free(&uri);
}

/* A location's value: file, line, function; those that are known. */
static void put_location(struct emit *e, const char *file, uint32_t line,
			 const char *function, const char *root)
{
	emit_open(e, '{');
	if (file && *file)
		put_file(e, file, line, root);
	if (function && *function) {
		emit_key(e, "logicalLocations");
		emit_open(e, '[');
		emit_open(e, '{');
		emit_key_text(e, "fullyQualifiedName", function);
		emit_key_text(e, "kind", "function");
		emit_close(e, '}');
		emit_close(e, ']');
	}
	emit_close(e, '}');
}

/* Frames leaf first, as SARIF has them. */
static void put_stack(struct emit *e, const struct model *m, uint32_t node,
		      const char *root)
{
	emit_key(e, "stacks");
	emit_open(e, '[');
	emit_open(e, '{');
	put_message(e, "message", "the stack that allocates");
	emit_key(e, "frames");
	emit_open(e, '[');
	for (; node != MODEL_NONE; node = m->nodes[node].parent) {
		const struct model_frame *f = &m->frames[m->nodes[node].frame];

		emit_line(e);
		emit_open(e, '{');
		emit_key(e, "location");
		put_location(e, f->file, f->line, f->function, root);
		if (f->module[0])
			emit_key_text(e, "module", name_base(f->module));
		emit_close(e, '}');
	}
	emit_close(e, ']');
	emit_close(e, '}');
	emit_close(e, ']');
}

static void begin_result(struct emit *e, size_t rule, const char *level,
			 const char *text)
{
	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "ruleId", rules[rule].id);
	emit_key_unsigned(e, "ruleIndex", rule);
	emit_key_text(e, "level", level);
	put_message(e, "message", text);
}

/* Code scanning wants a file for each result: that of what is in none. */
static const char *whole(const struct gate *g)
{
	return g->config ? g->config : "strandline.yml";
}

static void put_locations(struct emit *e, const char *file, uint32_t line,
			  const char *function, const char *root)
{
	emit_key(e, "locations");
	emit_open(e, '[');
	put_location(e, file, line, function, root);
	emit_close(e, ']');
}

static void put_fingerprint(struct emit *e, const char *key, const char *value)
{
	emit_key(e, "partialFingerprints");
	emit_open(e, '{');
	emit_key_text(e, key, value);
	emit_close(e, '}');
}

static void put_finding(struct emit *e, const struct gate *g,
			const struct finding *f, const char *root)
{
	begin_result(e, f->class,
		     gate_fails(g, f)			? "error"
		     : f->class == FINDING_INCONCLUSIVE ? "note"
							: "warning",
		     f->sentence);
	put_locations(e, f->file ? f->file : whole(g), f->line, f->function,
		      root);
	if (f->node != MODEL_NONE)
		put_stack(e, g->model, f->node, root);
	put_fingerprint(e, "strandlineStack/v1", f->fingerprint);
	if (f->suppressed) {
		emit_key(e, "suppressions");
		emit_open(e, '[');
		emit_open(e, '{');
		emit_key_text(e, "kind", "external");
		emit_close(e, '}');
		emit_close(e, ']');
	}
	emit_key(e, "properties");
	emit_open(e, '{');
	emit_key_real(e, "confidence", f->confidence, 4);
	emit_key_real(e, "bytesPerRequest", f->bytes_per_request.value, 3);
	emit_key_real(e, "bytesPerSecond", f->bytes_per_second.value, 3);
	emit_close(e, '}');
	emit_close(e, '}');
}

static void put_checks(struct emit *e, const struct gate *g, const char *root)
{
	const struct check *c;

	vec_foreach (&g->checks->list, c) {
		struct buf name = BUF_INIT, text = BUF_INIT;

		if (c->state != CHECK_EXCEEDED)
			continue;
		outcome_check_name(&name, c);
		outcome_check_name(&text, c);
		buf_printf(&text, ": %s", c->sentence);
		if (buf_status(&name) < 0 || buf_status(&text) < 0) {
			e->out->failed = true;
		} else {
			begin_result(e, RULE_BUDGET, "error", text.bytes);
			put_locations(e, whole(g), c->budget->line, NULL, root);
			put_fingerprint(e, "strandlineBudget/v1", name.bytes);
			emit_close(e, '}');
		}
		buf_free(&name);
		buf_free(&text);
	}
}

static void put_rows(struct emit *e, const struct gate *g, const char *root)
{
	for (size_t i = 0; g->diff && i < g->diff->row_count; i++) {
		struct buf name = BUF_INIT, text = BUF_INIT;

		if (!gate_is_worse(g, &g->diff->rows[i]))
			continue;
		outcome_row_name(&name, g->diff, &g->diff->rows[i]);
		outcome_row_name(&text, g->diff, &g->diff->rows[i]);
		buf_putc(&text, ' ');
		outcome_row_text(&text, &g->diff->rows[i]);
		if (buf_status(&name) < 0 || buf_status(&text) < 0) {
			e->out->failed = true;
		} else {
			begin_result(e, RULE_BASELINE, "error", text.bytes);
			put_locations(e, whole(g), 0, NULL, root);
			put_fingerprint(e, "strandlineBaseline/v1", name.bytes);
			emit_close(e, '}');
		}
		buf_free(&name);
		buf_free(&text);
	}
}

static void put_tool(struct emit *e)
{
	emit_key(e, "tool");
	emit_open(e, '{');
	emit_key(e, "driver");
	emit_open(e, '{');
	emit_key_text(e, "name", "Strandline");
	emit_key_text(e, "semanticVersion", STRANDLINE_VERSION);
	put_rules(e);
	emit_close(e, '}');
	emit_close(e, '}');
}

static void put_invocation(struct emit *e, const struct gate *g)
{
	emit_key(e, "invocations");
	emit_open(e, '[');
	emit_open(e, '{');
	emit_key_bool(e, "executionSuccessful", true);
	emit_key_integer(e, "exitCode", g->status);
	emit_key_text(e, "exitCodeDescription", gate_status_name(g->status));
	emit_close(e, '}');
	emit_close(e, ']');
}

int check_sarif(const struct gate *g, const struct check_options *opt,
		struct buf *out)
{
	struct emit e = { .out = out };

	emit_open(&e, '{');
	emit_key_text(&e, "$schema", SCHEMA);
	emit_key_text(&e, "version", "2.1.0");
	emit_key(&e, "runs");
	emit_open(&e, '[');
	emit_open(&e, '{');
	put_tool(&e);
	put_invocation(&e, g);
	emit_key_text(&e, "columnKind", "utf16CodeUnits");
	emit_key(&e, "results");
	emit_open(&e, '[');
	for (size_t i = 0; i < g->verdict->finding_count; i++)
		if (g->verdict->findings[i].class != FINDING_CLEAN)
			put_finding(&e, g, &g->verdict->findings[i], opt->root);
	put_checks(&e, g, opt->root);
	put_rows(&e, g, opt->root);
	emit_close(&e, ']');
	emit_close(&e, '}');
	emit_close(&e, ']');
	emit_close(&e, '}');
	buf_putc(out, '\n');
	return buf_status(out);
}
