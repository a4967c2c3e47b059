/*
 * diff_markdown: the comparison as a table for a merge request.
 */
#include <math.h>

#include "profiler/analysis/diff.h"
#include "profiler/base/buf.h"
#include "reports/diff.h"
#include "reports/escape.h"
#include "reports/outcome.h"

#define DEFAULT_TOP 10u

static void put_escaped(struct buf *out, struct buf *text)
{
	if (text->failed)
		out->failed = true;
	else if (text->len)
		escape_markdown(out, text->bytes);
	buf_free(text);
}

static void put_row(struct buf *out, const struct diff *d,
		    const struct diff_row *row)
{
	enum amount_unit unit = metric_kinds[row->what].unit;
	struct buf name = BUF_INIT, share = BUF_INIT;
	char base[AMOUNT_MAX], new[AMOUNT_MAX];

	outcome_row_name(&name, d, row);
	outcome_row_share(&share, row);
	buf_puts(out, "| ");
	put_escaped(out, &name);
	buf_printf(out, " | %s | %s | ",
		   isnan(row->base.value)
			   ? "-"
			   : amount_format(base, unit, row->base.value),
		   isnan(row->new.value)
			   ? "-"
			   : amount_format(new, unit, row->new.value));
	put_escaped(out, &share);
	buf_printf(out, " | %s |\n",
		   row->state == DIFF_WORSE    ? "worse"
		   : row->state == DIFF_BETTER ? "better"
					       : "");
}

static void put_table(const struct diff *d, struct diff_walk walk,
		      struct buf *out)
{
	const struct diff_row *row = diff_walk_next(&walk, d);

	if (!row) {
		buf_puts(out, "Nothing changed for sure.\n\n");
		return;
	}
	buf_puts(out, "| figure | base | new | change | |\n"
		      "|---|--:|--:|--:|---|\n");
	for (; row; row = diff_walk_next(&walk, d))
		put_row(out, d, row);
	buf_putc(out, '\n');
}

void diff_markdown_table(const struct diff *d, struct buf *out)
{
	put_table(d,
		  (struct diff_walk) { .top = DEFAULT_TOP,
				       .changed_only = true },
		  out);
}

int diff_markdown(const struct diff *d, const struct diff_options *opt,
		  struct buf *out)
{
	struct buf base = BUF_INIT, new = BUF_INIT;

	outcome_side(&base, d, false);
	outcome_side(&new, d, true);
	buf_puts(out, "### Strandline: ");
	put_escaped(out, &base);
	buf_puts(out, " against ");
	put_escaped(out, &new);
	buf_puts(out, "\n\n");
	if (d->allocators) {
		escape_markdown(out, d->allocators);
		buf_puts(out, "\n\n");
	}
	if (d->caution)
		buf_printf(out, "Note: %s.\n\n", d->caution);
	put_table(d,
		  (struct diff_walk) { .top = opt->top ? opt->top
						       : DEFAULT_TOP },
		  out);
	return buf_status(out);
}
