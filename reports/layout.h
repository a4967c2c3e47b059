/*
 * layout: text in columns on a terminal.
 *
 * Every text passes through here on its way out: it is cut to its column with
 * an ellipsis, counted in terminal cells and not bytes, and a control
 * character in a foreign name becomes '?', so that no symbol can move the
 * cursor.
 */
#ifndef STRANDLINE_REPORTS_LAYOUT_H
#define STRANDLINE_REPORTS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum layout_style {
	LAYOUT_PLAIN,
	LAYOUT_TITLE,
	LAYOUT_FAINT,
	LAYOUT_ACCENT,
	LAYOUT_ALARM,
};

struct layout {
	struct buf *out;
	unsigned columns;
	bool color;
};

enum layout_align {
	LAYOUT_LEFT,  /* cut at the end, filled up to the width */
	LAYOUT_RIGHT, /* the same, flush right */
	LAYOUT_TAIL,  /* flush left, cut at the front: for paths */
	LAYOUT_LAST,  /* flush left, cut at the end, not filled: ends a line */
	LAYOUT_LAST_TAIL, /* the same, cut at the front */
};

unsigned layout_cells(const char *text);
void layout_put(const struct layout *l, const char *text, unsigned width,
		enum layout_align align);
void layout_fill(const struct layout *l, unsigned width); /* spaces */
void layout_style(const struct layout *l, enum layout_style style);

/* One line of styled text, cut to the terminal. */
void layout_line(const struct layout *l, enum layout_style style,
		 const char *text);

/*
 * Words of @text from column @indent on, wrapped at the terminal's width; the
 * first line is taken to stand at @indent already.
 */
void layout_wrap(const struct layout *l, const char *text, unsigned indent);

/* A bar of @share (0 to 1) of @width cells, in eighths of a cell. */
void layout_bar(const struct layout *l, double share, unsigned width);

/*
 * A line of @width levels between 0 and the largest of @values; each cell
 * shows the highest value of its part, a NAN is no value.
 */
void layout_sparkline(const struct layout *l, const double *values,
		      size_t count, unsigned width);

#endif
