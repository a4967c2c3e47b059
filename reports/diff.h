/*
 * diff: the comparison of two runs, or sets of runs, in the formats of
 * `strandline diff`.  Pure; each returns 0 or -ENOMEM.
 */
#ifndef STRANDLINE_REPORTS_DIFF_H
#define STRANDLINE_REPORTS_DIFF_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct diff;
struct emit;

struct diff_options {
	unsigned columns; /* of the terminal, 0: 80 */
	bool color;
	size_t top; /* sites shown, 0: 10 */
};

struct diff_format {
	const char *name;
	const char *summary; /* for --help */
	/* NULL: it takes the recordings themselves, see html.h */
	int (*write)(const struct diff *d, const struct diff_options *opt,
		     struct buf *out);
};

extern const struct diff_format diff_formats[]; /* ends with name NULL */
const struct diff_format *diff_format_find(const char *name);

int diff_text(const struct diff *d, const struct diff_options *opt,
	      struct buf *out);
/* By reports/diff-schema.json; every site that changed. */
int diff_json(const struct diff *d, const struct diff_options *opt,
	      struct buf *out);
int diff_markdown(const struct diff *d, const struct diff_options *opt,
		  struct buf *out);

/* The object of diff_json() within another document. */
void diff_json_value(struct emit *e, const struct diff *d);
/* The table of diff_markdown() for a summary: what changed, or a word that
 * nothing did. */
void diff_markdown_table(const struct diff *d, struct buf *out);

/* Walks the rows that a person is shown. */
struct diff_walk {
	size_t top;
	bool changed_only;
	size_t next, sites, left_out; /* zero to begin with */
};
struct diff_row;
/* The next one, NULL after the last: rows of the server and of endpoints, and
 * of either kind the @top sites that changed for sure. */
const struct diff_row *diff_walk_next(struct diff_walk *w,
				      const struct diff *d);

#endif
