/*
 * names: see names.h.
 */
#include "reports/names.h"

#include <ctype.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/utf8.h"

const char *name_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Past ".../lib/python3.11/", or NULL. */
static const char *past_standard_library(const char *path)
{
	const char *at = strstr(path, "/lib/python");

	if (!at)
		return NULL;
	at += strlen("/lib/python");
	while (isdigit((unsigned char)*at) || *at == '.')
		at++;
	return *at == '/' && at[1] ? at + 1 : NULL;
}

const char *name_source(const char *path)
{
	static const char *const roots[] = { "/site-packages/",
					     "/dist-packages/" };
	const char *base = name_base(path), *at;

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		at = strstr(path, roots[i]);
		if (at && at[strlen(roots[i])])
			return at + strlen(roots[i]);
	}
	at = past_standard_library(path);
	if (at)
		return at;
	if (strcmp(base, "__init__.py") != 0 || base - path < 2)
		return base;
	for (at = base - 1; at > path && at[-1] != '/'; at--)
		;
	return at;
}

/* @file from where its last parts read as @module does; NULL: they do not. */
static const char *module_part(const char *file, const char *module,
			       const char *end)
{
	size_t all = strlen(file), len = strlen(module), after = strlen(end);
	const char *from;

	if (all < len + after || strcmp(file + all - after, end) != 0)
		return NULL;
	from = file + all - after - len;
	if (from > file && from[-1] != '/')
		return NULL;
	for (size_t i = 0; i < len; i++)
		if (from[i] != module[i] &&
		    !(from[i] == '/' && module[i] == '.'))
			return NULL;
	return from;
}

/* The file of a Python frame, from the package on that it is imported by. */
static const char *python_source(const struct model_frame *f)
{
	static const char *const ends[] = { ".py", "/__init__.py", ".pyc" };
	const char *from = NULL;

	for (size_t i = 0; i < 3 && !from && f->module[0]; i++)
		from = module_part(f->file, f->module, ends[i]);
	return from ? from : name_source(f->file);
}

bool name_is_address(const struct model_frame *f)
{
	const char *base = name_base(f->module);
	size_t len = strlen(base);

	return len > 0 && strncmp(f->function, base, len) == 0 &&
	       strncmp(f->function + len, "+0x", 3) == 0;
}

void name_put_function(struct buf *out, const struct model_frame *f)
{
	const char *base = name_base(f->module), *platform;

	platform = strstr(base, ".cpython-");
	if (!platform)
		platform = strstr(base, ".abi3.so");
	if (!platform || !name_is_address(f)) {
		buf_puts(out, f->function);
		return;
	}
	buf_write(out, f->function, (size_t)(platform - base));
	buf_puts(out, f->function + strlen(base));
}

/* ';' parts the frames of a folded stack and a newline ends it. */
static void put_plain(struct buf *out, const char *text)
{
	uint32_t c;

	while (*text) {
		text += utf8_next(text, &c);
		utf8_put(out, c == ';' || utf8_is_control(c) ? '_' : c);
	}
}

void name_put_label(struct buf *out, const struct model_frame *frame)
{
	struct buf function = BUF_INIT;

	name_put_function(&function, frame);
	if (function.failed)
		out->failed = true;
	else if (function.len > 0)
		put_plain(out, function.bytes);
	buf_free(&function);
	if (frame->kind == FRAME_KERNEL)
		buf_puts(out, "_[k]");
	if (frame->kind != FRAME_PYTHON || !frame->file)
		return;
	buf_puts(out, " (");
	put_plain(out, python_source(frame));
	if (frame->line > 0)
		buf_printf(out, ":%u", frame->line);
	buf_putc(out, ')');
}

void name_put_place(struct buf *out, const struct model_frame *f, uint32_t line,
		    bool full)
{
	bool python = f->kind == FRAME_PYTHON;

	if (f->file) {
		buf_puts(out, python && !full ? python_source(f) : f->file);
		if (line > 0)
			buf_printf(out, ":%u", line);
	}
	/* A Python frame's module is in the path of its file. */
	if (python || !f->module[0])
		return;
	buf_puts(out, f->file ? " in " : "");
	buf_puts(out, full || !f->file ? f->module : name_base(f->module));
}

const char *name_module_kind(enum module_kind kind)
{
	switch (kind) {
	case MODULE_APPLICATION:
		return "application";
	case MODULE_LIBRARY:
		return "library";
	case MODULE_LIBC:
		return "libc";
	case MODULE_RUNTIME:
		return "runtime";
	case MODULE_EXTENSION:
		return "extension";
	case MODULE_PYTHON:
		return "python";
	case MODULE_KERNEL:
		return "kernel";
	case MODULE_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *name_frame_kind(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_NATIVE:
		return "native";
	case FRAME_PYTHON:
		return "python";
	case FRAME_KERNEL:
		return "kernel";
	case FRAME_MARKER:
		break;
	}
	return "marker";
}

const char *name_weight(enum model_kind kind)
{
	switch (kind) {
	case MODEL_LIVE:
		return "live memory";
	case MODEL_ALLOC:
		return "allocated memory";
	case MODEL_PEAK:
		return "memory live at the peak";
	case MODEL_TEMPORARY:
		return "temporary memory";
	case MODEL_RSS:
		return "resident memory";
	case MODEL_LEAK:
		return "leaked memory";
	case MODEL_CPU:
		return "time on a CPU";
	case MODEL_OFFCPU:
		return "time off the CPUs";
	case MODEL_WALL:
		break;
	}
	return "elapsed time";
}

static bool is_time(enum model_kind kind)
{
	return kind == MODEL_CPU || kind == MODEL_OFFCPU || kind == MODEL_WALL;
}

void name_put_mode(struct buf *out, const struct model *m)
{
	char size[UNITS_TEXT_MAX];

	if (m->mean_bytes > 0)
		buf_printf(out, "one sample per %s",
			   units_format_bytes(size, m->mean_bytes));
	else if (!m->mode)
		buf_puts(out, "not known");
	else if (!strcmp(m->mode, "probes"))
		buf_puts(out, "by probes in the kernel");
	else if (!strcmp(m->mode, "imported"))
		buf_puts(out, "imported");
	else
		buf_printf(out, "every allocation (%s)", m->mode);
	if (m->probed && m->mode && strcmp(m->mode, "probes") != 0)
		buf_puts(out, ", with probes in the kernel");
}

const char *name_unit(enum model_kind kind)
{
	return is_time(kind) ? "ns" : "bytes";
}

_Static_assert(NAME_AMOUNT_MAX >= UNITS_TEXT_MAX, "either kind of text fits");

char *name_amount(char out[NAME_AMOUNT_MAX], enum model_kind kind,
		  double weight)
{
	return is_time(kind) ? units_format_duration(out, weight)
			     : units_format_bytes(out, weight);
}
