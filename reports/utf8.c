/*
 * utf8: see utf8.h.  Independent of the locale, so that a report's bytes are.
 */
#include "reports/utf8.h"

#include "profiler/base/buf.h"

/* How many bytes follow a first byte, and the bits it brings. */
static unsigned follow(unsigned char first, uint32_t *bits)
{
	if (first >= 0xc2 && first < 0xe0) {
		*bits = first & 0x1f;
		return 1;
	}
	if (first >= 0xe0 && first < 0xf0) {
		*bits = first & 0x0f;
		return 2;
	}
	if (first >= 0xf0 && first < 0xf5) {
		*bits = first & 0x07;
		return 3;
	}
	return 0;
}

size_t utf8_next(const char *at, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)at[0];
	unsigned more;
	uint32_t bits;

	if (first < 0x80) {
		*character = first;
		return 1;
	}
	*character = UTF8_REPLACEMENT;
	more = follow(first, &bits);
	if (more == 0)
		return 1;
	for (unsigned i = 1; i <= more; i++) {
		/* The NUL at the end of the text is no continuation either. */
		if (((unsigned char)at[i] & 0xc0) != 0x80)
			return 1;
		bits = bits << 6 | ((unsigned char)at[i] & 0x3f);
	}
	if (bits < least[more] || bits > 0x10ffff ||
	    (bits >= 0xd800 && bits <= 0xdfff))
		return 1;
	*character = bits;
	return more + 1;
}

void utf8_put(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_putc(out, (char)c);
	} else if (c < 0x800) {
		buf_putc(out, (char)(0xc0 | c >> 6));
		buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_putc(out, (char)(0xe0 | c >> 12));
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_putc(out, (char)(0xf0 | c >> 18));
		buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (c & 0x3f)));
	}
}

struct range {
	uint32_t first, last;
};

static bool is_in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

#define IS_IN(c, ranges) is_in(c, ranges, sizeof(ranges) / sizeof((ranges)[0]))

bool utf8_is_control(uint32_t c)
{
	static const struct range controls[] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0x200e, 0x200f },
		{ 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfeff, 0xfeff },
		{ 0xfffe, 0xffff },
	};

	return IS_IN(c, controls);
}

/* The blocks that matter in names; not the whole of Unicode's width table. */
unsigned utf8_cells(uint32_t c)
{
	static const struct range none[] = {
		{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd },
		{ 0x064b, 0x065f }, { 0x200b, 0x200d }, { 0x20d0, 0x20ff },
		{ 0xfe00, 0xfe0f },
	};
	static const struct range wide[] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0x303e },
		{ 0x3041, 0xa4cf },   { 0xac00, 0xd7a3 },
		{ 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },
		{ 0x1f300, 0x1f64f }, { 0x1f900, 0x1f9ff },
		{ 0x20000, 0x3fffd },
	};

	if (c < 0x300)
		return 1;
	if (IS_IN(c, none))
		return 0;
	return IS_IN(c, wide) ? 2 : 1;
}
