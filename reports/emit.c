/*
 * emit: see emit.h.
 */
#include "reports/emit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "reports/utf8.h"

static void before_value(struct emit *e)
{
	if (e->comma)
		buf_putc(e->out, ',');
	e->comma = true;
}

void emit_open(struct emit *e, char bracket)
{
	before_value(e);
	buf_putc(e->out, bracket);
	e->comma = false;
}

void emit_close(struct emit *e, char bracket)
{
	buf_putc(e->out, bracket);
	e->comma = true;
}

void emit_line(struct emit *e)
{
	if (e->comma)
		buf_putc(e->out, ',');
	buf_putc(e->out, '\n');
	e->comma = false;
}

static void put_string(struct buf *out, const char *text)
{
	uint32_t c;

	buf_putc(out, '"');
	while (*text) {
		size_t len = utf8_next(text, &c);

		if (c == '"' || c == '\\')
			buf_putc(out, '\\');
		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\u%04x", c);
		else
			utf8_put(out, c);
		text += len;
	}
	buf_putc(out, '"');
}

void emit_key(struct emit *e, const char *key)
{
	before_value(e);
	put_string(e->out, key);
	buf_putc(e->out, ':');
	e->comma = false;
}

void emit_text(struct emit *e, const char *text)
{
	if (!text) {
		emit_null(e);
		return;
	}
	before_value(e);
	put_string(e->out, text);
}

void emit_integer(struct emit *e, int64_t value)
{
	before_value(e);
	buf_printf(e->out, "%lld", (long long)value);
}

void emit_unsigned(struct emit *e, uint64_t value)
{
	before_value(e);
	buf_printf(e->out, "%llu", (unsigned long long)value);
}

void emit_real(struct emit *e, double value, unsigned digits)
{
	char text[400];
	size_t len;

	if (!isfinite(value)) {
		emit_null(e);
		return;
	}
	len = (size_t)snprintf(text, sizeof(text), "%.*f", (int)digits, value);
	if (digits > 0) {
		while (text[len - 1] == '0')
			len--;
		len -= text[len - 1] == '.';
	}
	if (len == 2 && memcmp(text, "-0", 2) == 0) {
		text[0] = '0';
		len = 1;
	}
	emit_raw(e, text, len);
}

void emit_bool(struct emit *e, bool value)
{
	before_value(e);
	buf_puts(e->out, value ? "true" : "false");
}

void emit_null(struct emit *e)
{
	before_value(e);
	buf_puts(e->out, "null");
}

void emit_raw(struct emit *e, const char *json, size_t len)
{
	before_value(e);
	buf_write(e->out, json, len);
}

void emit_key_text(struct emit *e, const char *key, const char *text)
{
	emit_key(e, key);
	emit_text(e, text);
}

void emit_key_integer(struct emit *e, const char *key, int64_t value)
{
	emit_key(e, key);
	emit_integer(e, value);
}

void emit_key_unsigned(struct emit *e, const char *key, uint64_t value)
{
	emit_key(e, key);
	emit_unsigned(e, value);
}

void emit_key_real(struct emit *e, const char *key, double value,
		   unsigned digits)
{
	emit_key(e, key);
	emit_real(e, value, digits);
}

void emit_key_bool(struct emit *e, const char *key, bool value)
{
	emit_key(e, key);
	emit_bool(e, value);
}
