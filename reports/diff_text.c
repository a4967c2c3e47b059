/*
 * diff_text: the comparison for a terminal: what was compared, then tables
 * for the server, its endpoints and its sites.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/analysis/diff.h"
#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "reports/diff.h"
#include "reports/names.h"
#include "reports/outcome.h"
#include "reports/text.h"

#define DEFAULT_COLUMNS 80u
#define DEFAULT_TOP	10u
#define FIGURE		11u
#define SHARE		10u
#define STATE		8u
#define FIGURES		(3 * FIGURE + SHARE + STATE)

static void put_side(const struct layout *l, const struct diff *d, bool new)
{
	const struct diff_side *side = new ? &d->new : &d->base;
	char requests[UNITS_TEXT_MAX], seconds[UNITS_TEXT_MAX];
	struct buf text = BUF_INIT;

	outcome_side(&text, d, new);
	buf_printf(&text, ": %s requests, %s",
		   units_format_count(requests, (uint64_t)side->requests),
		   units_format_duration(seconds, side->seconds * 1e9));
	if (side->allocator[0])
		buf_printf(&text, ", allocator %s", side->allocator);
	if (buf_status(&text) < 0)
		l->out->failed = true;
	else
		text_labelled(l, new ? "new" : "base", LAYOUT_PLAIN,
			      text.bytes);
	buf_free(&text);
}

static void put_heads(const struct layout *l, const char *title, unsigned width)
{
	static const char *const heads[] = { "base", "new", "change" };

	buf_putc(l->out, '\n');
	layout_style(l, LAYOUT_TITLE);
	layout_put(l, title, width, LAYOUT_LEFT);
	layout_style(l, LAYOUT_FAINT);
	for (size_t i = 0; i < 3; i++)
		layout_put(l, heads[i], FIGURE, LAYOUT_RIGHT);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

/* What the heading has not said already. */
static const char *row_name(const struct diff_row *row)
{
	const struct metric_kind *kind = &metric_kinds[row->what];

	return kind->scope == METRIC_OF_SITE ? row->subject->name : kind->text;
}

static void put_figures(const struct layout *l, const struct diff_row *row)
{
	enum amount_unit unit = metric_kinds[row->what].unit;
	struct buf share = BUF_INIT;
	char text[AMOUNT_MAX];

	layout_put(l,
		   isnan(row->base.value)
			   ? "-"
			   : amount_format(text, unit, row->base.value),
		   FIGURE, LAYOUT_RIGHT);
	layout_put(l,
		   isnan(row->new.value)
			   ? "-"
			   : amount_format(text, unit, row->new.value),
		   FIGURE, LAYOUT_RIGHT);
	layout_put(l,
		   isnan(row->change.value)
			   ? ""
			   : amount_format_change(text, unit,
						  row->change.value),
		   FIGURE, LAYOUT_RIGHT);
	outcome_row_share(&share, row);
	if (share.failed)
		l->out->failed = true;
	layout_put(l, share.len ? share.bytes : "", SHARE, LAYOUT_RIGHT);
	buf_free(&share);
}

static void put_place(const struct layout *l, const struct subject *s)
{
	char place[400];

	snprintf(place, sizeof(place), s->line ? "  %.360s:%u" : "  %.360s",
		 name_source(s->file), s->line);
	layout_line(l, LAYOUT_FAINT, place);
}

/* "same" says nothing; the others do. */
static void put_row(const struct layout *l, const struct diff_row *row,
		    unsigned width)
{
	layout_put(l, row_name(row), width - 1, LAYOUT_LEFT);
	layout_fill(l, 1);
	put_figures(l, row);
	if (row->state == DIFF_WORSE || row->state == DIFF_BETTER) {
		layout_style(l, row->state == DIFF_WORSE ? LAYOUT_ALARM
							 : LAYOUT_ACCENT);
		buf_printf(l->out, "  %s", diff_state_name(row->state));
		layout_style(l, LAYOUT_PLAIN);
	}
	buf_putc(l->out, '\n');
	if (row->subject->file)
		put_place(l, row->subject);
}

/* A table for the server, one for each endpoint, two of sites. */
static bool begins_table(const struct diff_row *before,
			 const struct diff_row *row)
{
	enum metric_scope scope = metric_kinds[row->what].scope;

	if (!before || metric_kinds[before->what].scope != scope)
		return true;
	return scope == METRIC_OF_SITE
		       ? before->what != row->what
		       : before->subject->key != row->subject->key;
}

static void put_title(const struct layout *l, const struct diff *d,
		      const struct diff_row *row, unsigned width)
{
	const struct metric_kind *kind = &metric_kinds[row->what];
	char title[120];

	switch (kind->scope) {
	case METRIC_OF_SERVER:
		snprintf(title, sizeof(title), "server (rates per %s)",
			 d->per_request ? "request" : "second");
		break;
	case METRIC_OF_ENDPOINT:
		snprintf(title, sizeof(title), "%.100s", row->subject->name);
		break;
	default:
		snprintf(title, sizeof(title), "%s%s", kind->text,
			 !kind->flows	  ? ""
			 : d->per_request ? " per request"
					  : " per second");
	}
	put_heads(l, title, width);
}

static void put_tables(const struct layout *l, const struct diff *d, size_t top)
{
	unsigned width = l->columns > FIGURES + 20 ? l->columns - FIGURES : 20;
	struct diff_walk walk = { .top = top };
	const struct diff_row *row, *before = NULL;

	while ((row = diff_walk_next(&walk, d))) {
		if (begins_table(before, row))
			put_title(l, d, row, width);
		before = row;
		put_row(l, row, width);
	}
	if (!before || metric_kinds[before->what].scope != METRIC_OF_SITE)
		buf_puts(l->out, "\nNo allocation site changed for sure.\n");
	else if (walk.left_out)
		buf_printf(l->out,
			   "\n%zu more sites changed; see --top and -f "
			   "json\n",
			   walk.left_out);
}

int diff_text(const struct diff *d, const struct diff_options *opt,
	      struct buf *out)
{
	struct layout l = { .out = out,
			    .columns = opt->columns ? opt->columns
						    : DEFAULT_COLUMNS,
			    .color = opt->color };

	put_side(&l, d, false);
	put_side(&l, d, true);
	if (d->allocators)
		text_labelled(&l, "allocator", LAYOUT_ACCENT, d->allocators);
	if (d->caution)
		text_labelled(&l, "note", LAYOUT_PLAIN, d->caution);
	put_tables(&l, d, opt->top ? opt->top : DEFAULT_TOP);
	return buf_status(out);
}
