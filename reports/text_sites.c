/*
 * text_sites: who holds the memory, and how the largest of them came to it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/units.h"
#include "profiler/base/vec.h"
#include "reports/formats.h"
#include "reports/names.h"
#include "reports/sites.h"
#include "reports/text.h"

#define DEFAULT_TOP    8u
#define FIGURE_WIDTH   10u
#define SHARE_WIDTH    7u
#define MAX_FRAMES     12u
#define FUNCTION_WIDTH 44u

struct column {
	enum model_kind kind;
	const char *name;
	size_t offset; /* of its estimate in struct site_group */
	size_t total;  /* in struct model_totals */
};

static const struct column columns[] = {
#define COLUMN(kind, name, field)                               \
	{                                                       \
		kind, name, offsetof(struct site_group, field), \
			offsetof(struct model_totals, field)    \
	}
	COLUMN(MODEL_LIVE, "live", live),
	COLUMN(MODEL_PEAK, "peak", peak),
	COLUMN(MODEL_ALLOC, "allocated", allocated),
	COLUMN(MODEL_TEMPORARY, "temporary", temporary),
#undef COLUMN
};

#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

/*
 * Beside what time is spent on, the blocks made there say nothing; nor does a
 * column where nothing was seen.
 */
static bool stands_beside(const struct model *m, size_t column,
			  enum model_kind kind)
{
	const struct estimate *all =
		(const struct estimate *)((const char *)&m->totals +
					  columns[column].total);

	return columns[column].kind != kind && kind != MODEL_CPU &&
	       kind != MODEL_OFFCPU && kind != MODEL_WALL && all->bytes > 0;
}

/* The kind's own column comes first, then the others. */
static unsigned figures_width(const struct model *m, enum model_kind kind)
{
	unsigned width = FIGURE_WIDTH + SHARE_WIDTH;

	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (stands_beside(m, i, kind))
			width += FIGURE_WIDTH + 1;
	return width + 2;
}

static void put_amount(const struct layout *l, enum model_kind kind,
		       double amount, unsigned width)
{
	char text[NAME_AMOUNT_MAX];

	layout_put(l, amount > 0 ? name_amount(text, kind, amount) : "-", width,
		   LAYOUT_RIGHT);
}

static void put_heads(const struct layout *l, const struct model *m,
		      enum model_kind kind)
{
	layout_style(l, LAYOUT_FAINT);
	layout_put(l, model_kind_name(kind), FIGURE_WIDTH, LAYOUT_RIGHT);
	layout_put(l, "share", SHARE_WIDTH, LAYOUT_RIGHT);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		if (stands_beside(m, i, kind))
			layout_put(l, columns[i].name, FIGURE_WIDTH + 1,
				   LAYOUT_RIGHT);
	layout_fill(l, 2);
	layout_put(l, "function", l->columns, LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
}

/* Under the figures: the interval of the first, and where the code stands. */
static void put_second_line(const struct layout *l, const struct site_group *g,
			    const struct model_frame *f)
{
	double margin = sites_margin(g->weight_variance);
	char text[UNITS_TEXT_MAX + 4] = "", size[UNITS_TEXT_MAX];
	struct buf place = BUF_INIT;
	unsigned width = FIGURE_WIDTH;

	if (margin > 0)
		snprintf(text, sizeof(text), "±%s",
			 units_format_bytes(size, margin));
	if (f)
		name_put_place(&place, f, f->line, false);
	if (g->stacks > 1)
		buf_printf(&place, "%s(%u stacks)", place.len > 0 ? "  " : "",
			   g->stacks);
	if (place.failed)
		l->out->failed = true;
	if (layout_cells(text) > width)
		width = layout_cells(text); /* "±1015.5 KiB" */
	if (margin > 0 || place.len > 0) {
		layout_style(l, LAYOUT_FAINT);
		layout_put(l, text, width, LAYOUT_RIGHT);
		layout_fill(l, FIGURE_WIDTH + SHARE_WIDTH + 2 - width);
		layout_put(l, place.len > 0 ? place.bytes : "",
			   l->columns - FIGURE_WIDTH - SHARE_WIDTH - 2,
			   LAYOUT_LAST_TAIL);
		layout_style(l, LAYOUT_PLAIN);
		buf_putc(l->out, '\n');
	}
	buf_free(&place);
}

static void put_function(const struct layout *l, const struct model_frame *f,
			 unsigned width, enum layout_align align)
{
	struct buf name = BUF_INIT;

	if (f)
		name_put_function(&name, f);
	else
		buf_puts(&name, "(hidden)");
	if (name.failed)
		l->out->failed = true;
	layout_put(l, name.len > 0 ? name.bytes : "(no name)", width, align);
	buf_free(&name);
}

static void put_group(const struct layout *l, const struct model *m,
		      enum model_kind kind, const struct site_group *g,
		      double total)
{
	const struct model_frame *f =
		g->frame == MODEL_NONE ? NULL : &m->frames[g->frame];
	unsigned used = figures_width(m, kind);
	char share[UNITS_TEXT_MAX];

	snprintf(share, sizeof(share), "%.1f%%",
		 total > 0 ? g->weight / total * 100 : 0);
	put_amount(l, kind, g->weight, FIGURE_WIDTH);
	layout_put(l, share, SHARE_WIDTH, LAYOUT_RIGHT);
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		const struct estimate *e =
			(const void *)((const char *)g + columns[i].offset);

		if (stands_beside(m, i, kind))
			put_amount(l, columns[i].kind, e->bytes,
				   FIGURE_WIDTH + 1);
	}
	layout_fill(l, 2);
	layout_style(l, LAYOUT_TITLE);
	put_function(l, f, l->columns - used, LAYOUT_LAST);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
	put_second_line(l, g, f);
}

struct shown {
	uint32_t frame;
	uint32_t run;	/* so many dull frames; 0: this one */
	uint32_t other; /* one of the run's in another module, or the same */
};

typedef VEC(struct shown) shown_frames;

/*
 * The inside of the interpreter and of libc, and frames without a name, say
 * little one by one.
 */
static bool is_dull(const struct model_frame *f)
{
	return f->kind == FRAME_NATIVE &&
	       (f->module_kind == MODULE_RUNTIME ||
		f->module_kind == MODULE_LIBC || name_is_address(f));
}

static void put_frame(const struct layout *l, const struct model_frame *f)
{
	struct model_frame place = *f;
	struct buf text = BUF_INIT;

	/* Where the file is known, the module says little more. */
	place.module = f->file ? "" : name_base(f->module);
	name_put_place(&text, &place, f->line, false);
	layout_fill(l, 2);
	put_function(l, f, FUNCTION_WIDTH, LAYOUT_LEFT);
	layout_fill(l, 2);
	layout_style(l, LAYOUT_FAINT);
	layout_put(l, text.bytes ? text.bytes : "",
		   l->columns - FUNCTION_WIDTH - 4, LAYOUT_LAST_TAIL);
	layout_style(l, LAYOUT_PLAIN);
	buf_putc(l->out, '\n');
	if (text.failed)
		l->out->failed = true;
	buf_free(&text);
}

static void put_run(const struct layout *l, const struct model *m,
		    const struct shown *s)
{
	const char *module = m->frames[s->frame].module;
	const char *other = m->frames[s->other].module;
	struct buf text = BUF_INIT;

	buf_printf(&text, "  … %u frame%s of %s", s->run, s->run > 1 ? "s" : "",
		   name_base(module));
	if (strcmp(module, other) != 0)
		buf_printf(&text, " and %s", name_base(other));
	if (text.failed)
		l->out->failed = true;
	else
		layout_line(l, LAYOUT_FAINT, text.bytes);
	buf_free(&text);
}

/* The frames of the stack that ends at @node, leaf first. */
static int collect(shown_frames *lines, const struct model *m,
		   const struct report_options *opt, uint32_t node)
{
	for (; node != MODEL_NONE; node = m->nodes[node].parent) {
		uint32_t frame = m->nodes[node].frame;
		struct shown *line;

		if (report_hides(opt, &m->frames[frame]))
			continue;
		line = vec_push(lines);
		if (!line)
			return -ENOMEM;
		line->frame = frame;
	}
	return 0;
}

static bool same_module(const struct model *m, uint32_t a, uint32_t b)
{
	return strcmp(m->frames[a].module, m->frames[b].module) == 0;
}

/* Whether @frame can stand in @run, which tells of at most two modules. */
static bool joins(const struct model *m, struct shown *run, uint32_t frame)
{
	if (run->run == 0)
		return false;
	if (same_module(m, run->frame, run->other))
		run->other = frame;
	return same_module(m, run->frame, frame) ||
	       same_module(m, run->other, frame);
}

/*
 * Dull frames in a row become one line, unless there is nothing else.  The
 * innermost frame is always shown.
 */
static void shorten(shown_frames *lines, const struct model *m)
{
	struct shown *from, *to = lines->at;
	bool all_dull = true;

	vec_foreach (lines, from)
		if (!is_dull(&m->frames[from->frame]))
			all_dull = false;
	if (all_dull)
		return;
	vec_foreach (lines, from) {
		uint32_t frame = from->frame;

		if (to == lines->at || !is_dull(&m->frames[frame]))
			*to++ = *from;
		else if (joins(m, &to[-1], frame))
			to[-1].run++;
		else
			*to++ = (struct shown) { frame, 1, frame };
	}
	lines->count = (size_t)(to - lines->at);
}

/* Leaf first, as a traceback is read from where it happened. */
static int put_stack(const struct layout *l, const struct model *m,
		     const struct report_options *opt, uint32_t node)
{
	shown_frames lines = VEC_INIT;
	size_t omitted = 0;
	int rc = collect(&lines, m, opt, node);

	if (rc == 0 && lines.count > 0)
		shorten(&lines, m);
	/* Of a long one, the leaf's side says more than the root's. */
	if (lines.count > MAX_FRAMES)
		omitted = lines.count - (MAX_FRAMES - 1);
	for (size_t i = 0; i < lines.count - omitted; i++) {
		const struct shown *s = &lines.at[i];

		if (s->run > 0)
			put_run(l, m, s);
		else
			put_frame(l, &m->frames[s->frame]);
	}
	if (omitted > 0) {
		layout_style(l, LAYOUT_FAINT);
		buf_printf(l->out, "  … and %zu further out", omitted);
		layout_style(l, LAYOUT_PLAIN);
		buf_putc(l->out, '\n');
	}
	vec_free(&lines);
	return rc;
}

static void put_title(const struct layout *l, const struct model *m,
		      const struct report_options *opt, double total,
		      size_t count)
{
	char amount[NAME_AMOUNT_MAX], places[UNITS_TEXT_MAX];
	char detail[200];
	int len;

	if (count == 0) {
		snprintf(detail, sizeof(detail), "by %s: none was recorded",
			 name_weight(opt->kind));
		text_heading(l, "TOP SITES", detail);
		return;
	}
	len = snprintf(detail, sizeof(detail), "by %s: %s at %s place%s",
		       name_weight(opt->kind),
		       name_amount(amount, opt->kind, total),
		       units_format_count(places, count),
		       count == 1 ? "" : "s");
	if (m->process_count > 1)
		snprintf(detail + len, sizeof(detail) - (size_t)len,
			 " of %u processes", m->process_count);
	text_heading(l, "TOP SITES", detail);
	if (opt->kind == MODEL_PEAK && report_default_kind(m) == MODEL_PEAK) {
		snprintf(detail, sizeof(detail),
			 "As it ended the server gave back all but %s, so this "
			 "is what it held at its peak.",
			 units_format_bytes(amount, m->totals.live.bytes));
		layout_style(l, LAYOUT_FAINT);
		layout_wrap(l, detail, 0);
		layout_style(l, LAYOUT_PLAIN);
	}
}

int text_sites(const struct layout *l, const struct model *m,
	       const struct report_options *opt)
{
	size_t count, top = opt->top ? opt->top : DEFAULT_TOP;
	struct site_group *groups;
	double total = 0;
	int rc;

	rc = sites_grouped(m, opt, &groups, &count);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++)
		total += groups[i].weight;
	put_title(l, m, opt, total, count);
	if (count > 0)
		put_heads(l, m, opt->kind);
	for (size_t i = 0; i < count && i < top; i++)
		put_group(l, m, opt->kind, &groups[i], total);
	if (count > 0) {
		text_heading(l, "STACK", "of the largest, innermost first");
		rc = put_stack(l, m, opt, m->sites[groups[0].largest].node);
	}
	free(groups);
	return rc;
}
