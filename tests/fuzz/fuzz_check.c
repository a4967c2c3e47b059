/*
 * The outcome of a gate goes to CI servers: an XML parser, a JSON parser, a
 * line protocol that takes commands, a page.  Whatever functions, files and
 * routes are called: each annotation is one line and one command, XML has no
 * markup but ours, JSON parses, text moves no cursor.
 *
 * The input's first byte chooses classes; the rest are texts, each ended by a
 * NUL, for frames, the sentence, the route and paths.
 */
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/model/model.h"
#include "reports/check.h"
#include "reports/diff.h"
#include "reports/utf8.h"

#define FRAMES 4

static void require(bool fact)
{
	if (!fact)
		abort();
}

/* Valid UTF-8 without control characters but line feeds. */
static void check_plain(const struct buf *out)
{
	const char *at = out->bytes;
	uint32_t c;

	require(strlen(at) == out->len);
	while (*at) {
		size_t len = utf8_next(at, &c);

		require(len > 1 || (unsigned char)*at < 0x80);
		require(!utf8_is_control(c) || c == '\n');
		at += len;
	}
}

static void check_annotations(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		const char *message = strstr(line, "title=");

		if (!*line)
			continue;
		require(!strncmp(line, "::error ", 8) ||
			!strncmp(line, "::warning ", 10) ||
			!strncmp(line, "::notice ", 9));
		require(message && strstr(message, "::"));
	}
}

/* Every '<' begins an element of ours, every '&' an entity. */
static void check_xml(const char *text)
{
	static const char *const elements[] = { "?xml",	     "testsuites",
						"testsuite", "testcase",
						"failure",   "skipped" };
	static const char *const entities[] = { "amp;", "lt;", "gt;", "quot;" };

	for (; *text; text++) {
		const char *name = text + 1 + (text[1] == '/');
		bool known = false;

		if (*text == '<')
			for (size_t i = 0; i < 6; i++)
				known |= !strncmp(name, elements[i],
						  strlen(elements[i]));
		else if (*text == '&')
			for (size_t i = 0; i < 4; i++)
				known |= !strncmp(text + 1, entities[i],
						  strlen(entities[i]));
		else
			known = true;
		require(known);
	}
}

static void check_json_parses(const struct buf *out)
{
	json_t *root = json_loadb(out->bytes, out->len, 0, NULL);

	require(root != NULL);
	json_decref(root);
}

typedef int writer(const struct gate *g, const struct check_options *opt,
		   struct buf *out);

static struct buf written(writer *write, const struct gate *g,
			  const struct check_options *opt)
{
	struct buf out = BUF_INIT;

	require(write(g, opt, &out) == 0);
	return out;
}

static void check_gate(const struct gate *g, const struct check_options *opt)
{
	struct buf text = written(check_text, g, opt);
	struct buf markdown = written(check_markdown, g, opt);
	struct buf github = written(check_github, g, opt);
	struct buf junit = written(check_junit, g, opt);
	struct buf sarif = written(check_sarif, g, opt);
	struct buf json = written(check_json, g, opt);

	check_plain(&text);
	check_plain(&markdown);
	check_plain(&github);
	check_plain(&junit);
	check_annotations(github.bytes);
	check_xml(junit.bytes);
	check_json_parses(&sarif);
	check_json_parses(&json);
	buf_free(&text);
	buf_free(&markdown);
	buf_free(&github);
	buf_free(&junit);
	buf_free(&sarif);
	buf_free(&json);
}

static void check_diff(const struct diff *d)
{
	const struct diff_options opt = { 0 };

	for (const struct diff_format *f = diff_formats; f->name; f++) {
		struct buf out = BUF_INIT;

		if (!f->write)
			continue; /* it takes the recordings themselves */
		require(f->write(d, &opt, &out) == 0);
		if (strcmp(f->name, "json") == 0)
			check_json_parses(&out);
		else
			check_plain(&out);
		buf_free(&out);
	}
}

/* One budget on every endpoint, and a comparison of @m with itself grown. */
static void hold(struct gate *g, struct model *m, struct model_endpoint *e,
		 const struct check_options *opt)
{
	struct budget budget = { .what = BUDGET_P50,
				 .route = (char *)"*",
				 .limit = 1 };
	struct budgets budgets = { .fails = 0x15, .list = { &budget, 1, 1 } };
	struct checks checks = { 0 };
	struct measure *base = NULL, *new = NULL;
	struct err err = ERR_INIT;
	struct diff *diff = NULL;

	require(checks_of(&checks, &budgets, m, &err) == 0);
	require(measure_of(&base, m, &err) == 0);
	m->sites[0].live.bytes *= 1000;
	e->p50_ms *= 9;
	require(measure_of(&new, m, &err) == 0);
	require(diff_of(&diff, (const struct measure *const *)&base, 1,
			(const struct measure *const *)&new, 1, &err) == 0);
	g->budgets = &budgets;
	g->checks = &checks;
	g->diff = diff;
	gate_settle(g);
	check_gate(g, opt);
	check_diff(diff);
	diff_free(diff);
	measure_free(base);
	measure_free(new);
	checks_free(&checks);
}

/* The next text of the input; "" past its end. */
static const char *next(const char **at, const char *end)
{
	const char *text = *at < end ? *at : "";

	*at += strlen(text) + 1;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct model_frame frames[FRAMES] = { 0 };
	struct model_node nodes[FRAMES] = { 0 };
	struct model_site site = { .node = FRAMES - 1, .live.bytes = 4096 };
	struct model_endpoint endpoint = { .count = 900, .p50_ms = 7 };
	struct model m = { .frames = frames,
			   .frame_count = FRAMES,
			   .nodes = nodes,
			   .node_count = FRAMES,
			   .sites = &site,
			   .site_count = 1,
			   .endpoints = &endpoint,
			   .endpoint_count = 1,
			   .requests = 900,
			   .main_process = MODEL_NONE,
			   .mode = "exact" };
	struct finding f = { .node = FRAMES - 1,
			     .fingerprint = "0123456789abcdef" };
	struct verdict v = { .findings = &f, .finding_count = 1 };
	struct gate g = { .model = &m, .verdict = &v };
	struct check_options opt = { 0 };
	char *copy = malloc(size + 1);
	const char *at = copy;

	if (!copy || size == 0) {
		free(copy);
		return 0;
	}
	memcpy(copy, bytes + 1, size - 1);
	copy[size - 1] = '\0';
	f.class = v.class = bytes[0] % FINDING_CLASSES;
	f.suppressed = bytes[0] & 0x40;
	opt.columns = 72 + bytes[0] % 64;
	f.sentence = v.sentence = next(&at, copy + size);
	f.function = next(&at, copy + size);
	f.file = next(&at, copy + size);
	f.module = next(&at, copy + size);
	f.line = bytes[0];
	opt.root = next(&at, copy + size);
	g.config = next(&at, copy + size);
	endpoint.method = next(&at, copy + size);
	endpoint.route = next(&at, copy + size);
	m.path = m.name = m.command = next(&at, copy + size);
	m.host = m.version = m.name;
	for (uint32_t i = 0; i < FRAMES; i++) {
		frames[i].kind = (enum frame_kind)((bytes[0] + i) % 4);
		frames[i].line = i * 7;
		frames[i].function = next(&at, copy + size);
		frames[i].module = next(&at, copy + size);
		frames[i].file = i % 2 ? next(&at, copy + size) : NULL;
		nodes[i] = (struct model_node) { .parent = i > 0 ? i - 1
								 : MODEL_NONE,
						 .frame = i };
	}
	hold(&g, &m, &endpoint, &opt);
	free(copy);
	return 0;
}
