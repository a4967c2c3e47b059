/*
 * layout: see layout.h.
 */
#include "reports/layout.h"

#include <math.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "reports/utf8.h"

unsigned layout_cells(const char *text)
{
	unsigned cells = 0;
	uint32_t c;

	while (*text) {
		text += utf8_next(text, &c);
		cells += utf8_is_control(c) ? 1 : utf8_cells(c);
	}
	return cells;
}

/* As much of @text as fits @width cells; returns the cells it took. */
static unsigned put_cells(const struct layout *l, const char *text,
			  unsigned width)
{
	unsigned used = 0;
	uint32_t c;

	while (*text) {
		text += utf8_next(text, &c);
		if (utf8_is_control(c))
			c = '?';
		if (used + utf8_cells(c) > width)
			break;
		used += utf8_cells(c);
		utf8_put(l->out, c);
	}
	return used;
}

/* The longest end of @text that fits @width cells. */
static const char *tail_of(const char *text, unsigned width)
{
	unsigned cells = layout_cells(text);
	uint32_t c;

	while (cells > width) {
		text += utf8_next(text, &c);
		cells -= utf8_is_control(c) ? 1 : utf8_cells(c);
	}
	return text;
}

void layout_put(const struct layout *l, const char *text, unsigned width,
		enum layout_align align)
{
	bool tail = align == LAYOUT_TAIL || align == LAYOUT_LAST_TAIL;
	bool last = align == LAYOUT_LAST || align == LAYOUT_LAST_TAIL;
	unsigned cells = layout_cells(text), used = 0;

	if (width == 0)
		return;
	if (cells <= width) {
		if (align == LAYOUT_RIGHT)
			layout_fill(l, width - cells);
		used = put_cells(l, text, width);
	} else if (tail) {
		buf_puts(l->out, "…");
		used = 1 + put_cells(l, tail_of(text, width - 1), width - 1);
	} else {
		used = put_cells(l, text, width - 1) + 1;
		buf_puts(l->out, "…");
	}
	if (!last && align != LAYOUT_RIGHT && used < width)
		layout_fill(l, width - used);
}

void layout_fill(const struct layout *l, unsigned width)
{
	while (width-- > 0)
		buf_putc(l->out, ' ');
}

void layout_style(const struct layout *l, enum layout_style style)
{
	static const char *const codes[] = {
		[LAYOUT_PLAIN] = "\033[0m",    [LAYOUT_TITLE] = "\033[1m",
		[LAYOUT_FAINT] = "\033[2m",    [LAYOUT_ACCENT] = "\033[36m",
		[LAYOUT_ALARM] = "\033[1;33m",
	};

	if (l->color)
		buf_puts(l->out, codes[style]);
}

void layout_line(const struct layout *l, enum layout_style style,
		 const char *text)
{
	layout_style(l, style);
	layout_put(l, text, l->columns, LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

void layout_wrap(const struct layout *l, const char *text, unsigned indent)
{
	unsigned at = indent;
	struct buf word = BUF_INIT;

	for (;;) {
		size_t len = strcspn(text, " ");
		unsigned cells;

		buf_clear(&word);
		buf_write(&word, text, len);
		if (buf_status(&word) < 0) {
			l->out->failed = true;
			break;
		}
		cells = layout_cells(word.bytes);
		if (at > indent && at + 1 + cells > l->columns) {
			buf_putc(l->out, '\n');
			layout_fill(l, indent);
			at = indent;
		} else if (at > indent) {
			buf_putc(l->out, ' ');
			at++;
		}
		at += put_cells(l, word.bytes, cells);
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	buf_putc(l->out, '\n');
	buf_free(&word);
}

void layout_bar(const struct layout *l, double share, unsigned width)
{
	static const char *const eighths[] = { "",  "▏", "▎", "▍",
					       "▌", "▋", "▊", "▉" };
	unsigned parts;

	if (!(share > 0))
		return;
	if (share > 1)
		share = 1;
	parts = (unsigned)lround(share * width * 8);
	if (parts == 0)
		parts = 1; /* something is there */
	for (unsigned i = 0; i < parts / 8; i++)
		buf_puts(l->out, "█");
	buf_puts(l->out, eighths[parts % 8]);
}

void layout_sparkline(const struct layout *l, const double *values,
		      size_t count, unsigned width)
{
	static const char *const levels[] = { "▁", "▂", "▃", "▄",
					      "▅", "▆", "▇", "█" };
	double top = 0, shown = NAN;

	for (size_t i = 0; i < count; i++)
		top = fmax(top, values[i]);
	for (unsigned cell = 0; cell < width; cell++) {
		size_t from = cell * count / width;
		size_t to = (cell + 1) * count / width;
		double high = NAN;

		if (to == from && count > 0)
			to = from + 1; /* fewer values than cells */

		for (size_t i = from; i < to; i++)
			high = fmax(high, values[i]);
		if (!isnan(high)) /* else what was last seen still stands */
			shown = high;
		if (isnan(shown))
			buf_putc(l->out, ' ');
		else
			buf_puts(l->out,
				 levels[top > 0 ? (int)fmin(7, shown / top * 8)
						: 0]);
	}
}
