#include "reports/columns.h"

#include <math.h>

#include "reports/emit.h"

void columns_begin(struct columns *c, struct emit *e)
{
	*c = (struct columns) { .bytes = BUF_INIT, .e = e };
	emit_line(e);
	emit_key(e, "columns");
	emit_open(e, '{');
}

void columns_end(struct columns *c)
{
	emit_close(c->e, '}');
}

void column_begin(struct columns *c, const char *name)
{
	emit_key(c->e, name);
	c->count = 0;
	c->start = c->bytes.len;
}

void column_put(struct columns *c, uint64_t value)
{
	char bytes[10];
	size_t len = 0;

	for (; value > 127; value >>= 7)
		bytes[len++] = (char)((value & 127) | 128);
	bytes[len++] = (char)value;
	buf_write(&c->bytes, bytes, len);
	c->count++;
}

void column_put_signed(struct columns *c, int64_t value)
{
	column_put(c,
		   value < 0 ? ~((uint64_t)value << 1) : (uint64_t)value << 1);
}

void column_put_real(struct columns *c, double value)
{
	/* A page's numbers are exact up to 2^53. */
	column_put(c,
		   value > 0 && value < 0x1p53 ? (uint64_t)llround(value) : 0);
}

void column_end(struct columns *c)
{
	emit_open(c->e, '[');
	emit_unsigned(c->e, c->count);
	emit_unsigned(c->e, c->bytes.len - c->start);
	emit_close(c->e, ']');
}
