/*
 * escape: see escape.h.
 */
#include "reports/escape.h"

#include <string.h>

#include "profiler/base/buf.h"
#include "reports/utf8.h"

void escape_xml(struct buf *out, const char *text)
{
	uint32_t c;

	while (*text) {
		text += utf8_next(text, &c);
		if (c == '&')
			buf_puts(out, "&amp;");
		else if (c == '<')
			buf_puts(out, "&lt;");
		else if (c == '>')
			buf_puts(out, "&gt;");
		else if (c == '"')
			buf_puts(out, "&quot;");
		else
			utf8_put(out,
				 utf8_is_control(c) ? UTF8_REPLACEMENT : c);
	}
}

static void put_printable(struct buf *out, uint32_t c)
{
	utf8_put(out, utf8_is_control(c) ? ' ' : c);
}

void escape_markdown(struct buf *out, const char *text)
{
	uint32_t c;

	while (*text) {
		text += utf8_next(text, &c);
		if (c == '&')
			buf_puts(out, "&amp;");
		else if (c == '<')
			buf_puts(out, "&lt;");
		else if (c == '@') /* a backslash would still notify @name */
			buf_puts(out, "@\u200b");
		else if (c < 0x80 && strchr("\\`*_{}[]>#|~!$", (int)c)) {
			buf_putc(out, '\\');
			buf_putc(out, (char)c);
		} else {
			put_printable(out, c);
		}
	}
}

void escape_markdown_code(struct buf *out, const char *text)
{
	uint32_t c;

	/* A fence of two lets one backtick stand, and more become quotes. */
	buf_puts(out, strchr(text, '`') ? "`` " : "`");
	for (const char *at = text; *at;) {
		at += utf8_next(at, &c);
		if (c == '|') /* ends a table's cell even in code */
			buf_puts(out, "\\|");
		else if (c == '`' && *at == '`')
			buf_putc(out, '\'');
		else
			put_printable(out, c);
	}
	buf_puts(out, strchr(text, '`') ? " ``" : "`");
}

static void put_workflow(struct buf *out, const char *text, const char *more)
{
	uint32_t c;

	while (*text) {
		text += utf8_next(text, &c);
		if (c == '%' || c == '\r' || c == '\n' ||
		    (c < 0x80 && strchr(more, (int)c)))
			buf_printf(out, "%%%02X", c);
		else
			put_printable(out, c);
	}
}

void escape_workflow(struct buf *out, const char *text)
{
	put_workflow(out, text, "");
}

void escape_workflow_property(struct buf *out, const char *text)
{
	put_workflow(out, text, ":,");
}

void escape_uri(struct buf *out, const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~/+@=,";

	for (; *path; path++)
		if (strchr(plain, *path))
			buf_putc(out, *path);
		else
			buf_printf(out, "%%%02X", (unsigned char)*path);
}
