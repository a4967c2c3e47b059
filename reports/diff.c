/*
 * diff: the table of formats, and the walk over what is shown.
 */
#include "reports/diff.h"

#include <string.h>

#include "profiler/analysis/diff.h"

const struct diff_format diff_formats[] = {
	{ "text", "tables for the terminal", diff_text },
	{ "json", "every figure, by reports/diff-schema.json", diff_json },
	{ "md", "a table for a merge request", diff_markdown },
	{ "html", "a page for the browser, with both recordings", NULL },
	{ NULL, NULL, NULL },
};

const struct diff_format *diff_format_find(const char *name)
{
	for (const struct diff_format *f = diff_formats; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

const struct diff_row *diff_walk_next(struct diff_walk *w, const struct diff *d)
{
	while (w->next < d->row_count) {
		const struct diff_row *row = &d->rows[w->next++];

		if (row > d->rows && row[-1].what != row->what)
			w->sites = 0;
		if (metric_kinds[row->what].scope != METRIC_OF_SITE) {
			if (!w->changed_only || row->state != DIFF_SAME)
				return row;
		} else if (row->state != DIFF_SAME) {
			if (w->sites++ < w->top)
				return row;
			w->left_out++;
		}
	}
	return NULL;
}
