/*
 * Names of symbols, files and threads are other people's bytes, and end up in
 * terminals, JSON parsers, flame graph tools and browsers.  Whatever they are:
 * text moves no cursor, JSON parses, a folded line is a stack and a number,
 * and the flame graph has one script, ours.  What has no check of its own is
 * written all the same, for the sanitizers.
 *
 * The input's first byte chooses kinds and options; the rest are texts, each
 * ended by a NUL, for the frames of one stack and the recording's own.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "reports/report.h"
#include "reports/utf8.h"

#define FRAMES 8

static void require(bool fact)
{
	if (!fact)
		abort();
}

static struct buf report(const char *format, const struct model *m,
			 const struct report_options *opt)
{
	struct buf out = BUF_INIT;

	require(report_format_find(format)->write(m, opt, &out) == 0);
	buf_putc(&out, '\n');
	return out;
}

/* Valid UTF-8 without control characters, but for those in @allowed. */
static void check_plain(const struct buf *out, const char *allowed)
{
	const char *at = out->bytes;
	uint32_t c;

	require(strlen(at) == out->len);
	while (*at) {
		size_t len = utf8_next(at, &c);

		require(len > 1 || (unsigned char)*at < 0x80);
		require(!utf8_is_control(c) ||
			(c < 0x80 && strchr(allowed, c)));
		at += len;
	}
}

static void check_folded(char *text)
{
	char *line, *end, *number;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (!*line)
			continue;
		number = strrchr(line, ' ');
		require(number && strtoll(number + 1, &end, 10) > 0 && !*end);
	}
}

/* A line is a comment or ends in a number, whatever its labels are. */
static void check_metrics(char *text)
{
	char *line, *end, *number;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (!*line || *line == '#')
			continue;
		number = strrchr(line, ' ');
		require(number && number[1]);
		strtod(number + 1, &end);
		require(!*end);
	}
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

static void check_json(const char *format, const struct model *m,
		       const struct report_options *opt)
{
	struct buf json = report(format, m, opt);
	json_t *root = json_loadb(json.bytes, json.len, 0, NULL);

	require(root != NULL);
	json_decref(root);
	buf_free(&json);
}

/* Names stand before the payload only, and open no element there. */
static void check_html(const struct model *m, const struct report_options *opt)
{
	struct buf html = report("html", m, opt);
	char *payload = strstr(html.bytes, "<script type=\"text/plain\"");

	require(payload != NULL);
	*payload = '\0';
	require(count(html.bytes, "<script") == 0);
	require(count(html.bytes, "<title>") == 1);
	require(count(html.bytes, "<h1>") == 1);
	buf_free(&html);
}

static void write_all(const struct model *m, const struct report_options *opt)
{
	for (const struct report_format *f = report_formats; f->name; f++) {
		struct buf out = report(f->name, m, opt);

		buf_free(&out);
	}
}

static void check_all(const struct model *m, const struct report_options *opt)
{
	struct buf text = report("text", m, opt);
	struct buf folded = report("folded", m, opt);
	struct buf svg = report("svg", m, opt);
	struct buf markdown = report("md", m, opt);
	struct buf metrics = report("openmetrics", m, opt);

	check_plain(&text, "\n");
	check_plain(&folded, "\n");
	check_plain(&svg, "\n\t");
	check_plain(&metrics, "\n");
	check_plain(&markdown, "\n");
	check_metrics(metrics.bytes);
	check_folded(folded.bytes);
	require(count(svg.bytes, "<script") == 1);
	require(count(svg.bytes, "]]>") == 1);
	check_html(m, opt);
	check_json("json", m, opt);
	check_json("speedscope", m, opt);
	write_all(m, opt);
	buf_free(&text);
	buf_free(&folded);
	buf_free(&svg);
	buf_free(&metrics);
	buf_free(&markdown);
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
	struct report_options opt = { 0 };
	struct model m = { .frames = frames,
			   .frame_count = FRAMES,
			   .nodes = nodes,
			   .node_count = FRAMES,
			   .sites = &site,
			   .site_count = 1,
			   .main_process = MODEL_NONE,
			   .mode = "exact" };
	char *copy = malloc(size + 1);
	const char *at = copy;

	if (!copy || size == 0) {
		free(copy);
		return 0;
	}
	memcpy(copy, bytes + 1, size - 1);
	copy[size - 1] = '\0';
	opt.columns = 72 + bytes[0] % 64;
	opt.native_only = bytes[0] & 0x40;
	opt.python_only = bytes[0] & 0x80;
	opt.performance = bytes[0] & 0x20;
	m.name = next(&at, copy + size);
	m.command = next(&at, copy + size);
	m.host = next(&at, copy + size);
	for (uint32_t i = 0; i < FRAMES; i++) {
		frames[i].kind = (enum frame_kind)((bytes[0] + i) % 4);
		frames[i].module_kind = (enum module_kind)((bytes[0] + i) % 8);
		frames[i].line = i * 7;
		frames[i].function = next(&at, copy + size);
		frames[i].module = next(&at, copy + size);
		frames[i].file = i % 2 ? next(&at, copy + size) : NULL;
		nodes[i] = (struct model_node) { .parent = i > 0 ? i - 1
								 : MODEL_NONE,
						 .frame = i };
	}
	check_all(&m, &opt);
	free(copy);
	return 0;
}
