/*
 * top_view: the screen as a whole; title, verdict, help and the last line.
 */
#include "profiler/cmd/top_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/verdict.h"
#include "profiler/base/units.h"

#define LEAST_ROWS    6u
#define LEAST_COLUMNS 40u
#define SHORT_ROWS    16u /* with fewer the verdict has one line */
#define TALL_ROWS     30u /* then it may have three */
#define HELP_INDENT   14u
#define HELP_LINES    64u

void top_put(struct top_screen *screen, unsigned row, unsigned column,
	     unsigned width, enum layout_align align, enum layout_style style,
	     const char *fmt, ...)
{
	const struct layout l = { .out = &screen->texts };
	struct top_piece *piece;
	char text[1024];
	va_list ap;

	if (row >= screen->rows || column >= screen->columns)
		return;
	if (!width || width > screen->columns - column)
		width = screen->columns - column;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	piece = vec_push(&screen->pieces);
	if (!piece)
		return;
	*piece = (struct top_piece) {
		.row = row,
		.column = column,
		.style = style,
		.text = screen->texts.len,
	};
	layout_put(&l, text, width, align);
	buf_putc(&screen->texts, '\0');
}

void top_reverse(struct top_screen *screen, unsigned row)
{
	struct top_piece *piece;

	vec_foreach (&screen->pieces, piece)
		if (piece->row == row)
			piece->reverse = true;
}

/* The server's, not what started it. */
static const char *command_of(const struct model *m)
{
	const char *command = NULL;

	if (!m)
		return "";
	if (m->main_process < m->process_count)
		command = m->processes[m->main_process].command;
	if (!command || !command[0])
		command = m->command;
	return command ? command : "";
}

static void put_pid(char text[24], const struct top_facts *f)
{
	const struct model *m = f->model;

	text[0] = '\0';
	if (m && m->main_process < m->process_count && !f->is_process)
		snprintf(text, 24, "pid %d  ",
			 (int)m->processes[m->main_process].pid);
}

static void draw_title(struct top_screen *screen, const struct top_facts *f,
		       const struct top_state *s)
{
	char time[UNITS_TEXT_MAX] = "", pid[24];
	const char *name = f->name;
	const char *state = s->paused ? "paused" : f->live ? "live" : "ended";
	unsigned right = 20;

	if (f->model)
		units_format_duration(time, f->model->duration * 1e9);
	if (screen->columns < NARROW_COLUMNS)
		right = 8;
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	put_pid(pid, f);
	top_put(screen, 0, 0, screen->columns - right, LAYOUT_LEFT,
		LAYOUT_TITLE, "strandline  %s%s  %s%s",
		f->is_process ? "pid " : "", name, pid, command_of(f->model));
	top_put(screen, 0, screen->columns - right, right, LAYOUT_RIGHT,
		LAYOUT_TITLE, right < 20 ? "%s" : "%s  %s",
		right < 20 ? state : time, state);
	top_reverse(screen, 0);
}

static enum layout_style verdict_style(const struct verdict *v)
{
	if (v->class == FINDING_CLEAN)
		return LAYOUT_ACCENT;
	return v->class == FINDING_INCONCLUSIVE ? LAYOUT_FAINT : LAYOUT_ALARM;
}

/* Words of @text from *@at on that fit @width cells; moves *@at past them. */
static const char *line_of(const char **at, unsigned width, char *out,
			   size_t size)
{
	size_t len = strlen(*at), cut = len;

	while (cut > width) {
		while (cut > 0 && (*at)[cut - 1] != ' ')
			cut--;
		while (cut > 0 && (*at)[cut - 1] == ' ')
			cut--;
		if (cut == 0)
			cut = len < width ? len : width;
		if (cut <= width)
			break;
	}
	snprintf(out, size, "%.*s", (int)cut, *at);
	*at += cut;
	*at += strspn(*at, " ");
	return out;
}

/* The row after it. */
static unsigned draw_verdict(struct top_screen *screen,
			     const struct top_facts *f)
{
	unsigned width = screen->columns - 9;
	unsigned lines = screen->rows >= TALL_ROWS    ? 3
			 : screen->rows >= SHORT_ROWS ? 2
						      : 1;
	unsigned row = 1;
	const char *at;
	char line[512];

	if (!f->verdict) {
		top_put(screen, 1, 0, 0, LAYOUT_LAST, LAYOUT_FAINT, "%s",
			f->model ? "no verdict: nothing records this process"
				 : "reading ...");
		return 2;
	}
	top_put(screen, 1, 0, 9, LAYOUT_LAST, LAYOUT_FAINT, "verdict");
	at = f->verdict->sentence;
	for (unsigned i = 1; i < lines && layout_cells(at) > width; i++) {
		top_put(screen, row++, 9, 0, LAYOUT_LAST,
			verdict_style(f->verdict), "%s",
			line_of(&at, width, line, sizeof(line)));
	}
	top_put(screen, row++, 9, 0, LAYOUT_LAST, verdict_style(f->verdict),
		"%s", at);
	return row;
}

static void draw_last(struct top_screen *screen, const struct top_facts *f,
		      const struct top_state *s)
{
	unsigned row = screen->rows - 1;

	if (s->mode == TOP_FILTERING)
		top_put(screen, row, 0, 0, LAYOUT_LAST, LAYOUT_TITLE,
			"filter: %s_   Enter keeps it, Esc clears it",
			s->filter);
	else if (f->notice)
		top_put(screen, row, 0, 0, LAYOUT_LAST, LAYOUT_ALARM, "%s",
			f->notice);
	else
		top_put(screen, row, 0, 0, LAYOUT_LAST, LAYOUT_FAINT,
			"q quit  ? help  %s1-4 table  k kind  s sort  "
			"/ filter  p pause  w write",
			f->can_attach ? "a attach  " : "");
}

struct help_line {
	const char *keys; /* "" on lines that go on */
	char text[128];
};

/* All lines of the help, wrapped at @width; how many. */
static size_t wrap_help(struct help_line *lines, unsigned width)
{
	static const char *const keys[][2] = {
		{ "1 2 3 4 Tab", "sites, requests, stack of the selected site, "
				 "processes" },
		{ "up down", "select; PgUp PgDn Home End, too" },
		{ "Enter right", "the stack of the selected site" },
		{ "Esc left", "back to the sites" },
		{ "k K", "what sites weigh: live, leak, alloc, peak, "
			 "temporary, rss, cpu, offcpu, wall; of these those "
			 "that are recorded" },
		{ "s", "sort by the next column" },
		{ "/", "show only what contains a text" },
		{ "p space", "pause: what is shown stands still, the recording "
			     "goes on" },
		{ "w", "write a report of this moment into a file" },
		{ "a", "attach: record this process from now on" },
		{ "Ctrl-L", "draw anew" },
		{ "q Ctrl-C", "quit; a server is left as it was" },
	};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *at = keys[i][1], *name = keys[i][0];

		for (; *at && count < HELP_LINES; count++, name = "") {
			lines[count].keys = name;
			(void)line_of(&at, width, lines[count].text,
				      sizeof(lines[count].text));
		}
	}
	return count;
}

static void draw_help(struct top_screen *screen, struct top_state *s)
{
	unsigned row = 2, rows = screen->rows - 4;
	struct help_line lines[HELP_LINES];

	s->help_lines = wrap_help(lines, screen->columns - 2 - HELP_INDENT);
	if (s->help >= s->help_lines)
		s->help = 0;
	s->help_end = s->help + rows;
	if (s->help_end > s->help_lines)
		s->help_end = s->help_lines;
	top_put(screen, 1, 2, 0, LAYOUT_LAST, LAYOUT_TITLE, "keys");
	for (size_t i = s->help; i < s->help_end; i++, row++) {
		top_put(screen, row, 2, HELP_INDENT, LAYOUT_LEFT, LAYOUT_TITLE,
			"%s", lines[i].keys);
		top_put(screen, row, 2 + HELP_INDENT, 0, LAYOUT_LAST,
			LAYOUT_PLAIN, "%s", lines[i].text);
	}
	top_put(screen, screen->rows - 1, 2, 0, LAYOUT_LAST, LAYOUT_FAINT,
		s->help_end < s->help_lines ? "any key shows the rest"
					    : "any key leaves this page");
}

void top_draw(struct top_screen *screen, const struct top_facts *f,
	      struct top_state *s)
{
	unsigned row;

	screen->pieces.count = 0;
	buf_clear(&screen->texts);
	if (screen->rows < LEAST_ROWS || screen->columns < LEAST_COLUMNS) {
		top_put(screen, 0, 0, 0, LAYOUT_LAST, LAYOUT_PLAIN,
			"too small: %ux%u needed", LEAST_COLUMNS, LEAST_ROWS);
		return;
	}
	if (f->model)
		top_kinds(s, f->model);
	draw_title(screen, f, s);
	if (s->mode == TOP_HELP) {
		draw_help(screen, s);
		return;
	}
	row = draw_verdict(screen, f);
	if (f->model) {
		row = top_draw_ledger(screen, f, s, row);
		top_draw_table(screen, f, s, row, screen->rows - 1);
	}
	draw_last(screen, f, s);
}

void top_screen_fini(struct top_screen *screen)
{
	vec_free(&screen->pieces);
	buf_free(&screen->texts);
}

static int by_place(const void *a, const void *b)
{
	const struct top_piece *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

static void put_row(const struct top_screen *screen, unsigned row,
		    const struct top_piece *pieces, size_t count,
		    struct buf *out)
{
	const struct layout l = { .out = out };
	unsigned column = 0;
	size_t start = out->len;

	for (size_t i = 0; i < count; i++) {
		const char *text = screen->texts.bytes + pieces[i].text;

		if (pieces[i].row != row)
			continue;
		if (pieces[i].column > column)
			layout_fill(&l, pieces[i].column - column);
		buf_puts(out, text);
		column = pieces[i].column + layout_cells(text);
	}
	while (out->len > start && out->bytes[out->len - 1] == ' ')
		out->len--;
	buf_putc(out, '\n');
}

void top_screen_text(const struct top_screen *screen, struct buf *out)
{
	size_t count = screen->pieces.count;
	struct top_piece *pieces = calloc(count + 1, sizeof(*pieces));

	if (!pieces) {
		out->failed = true;
		return;
	}
	if (count)
		memcpy(pieces, screen->pieces.at, count * sizeof(*pieces));
	qsort(pieces, count, sizeof(*pieces), by_place);
	for (unsigned row = 0; row < screen->rows; row++)
		put_row(screen, row, pieces, count, out);
	free(pieces);
}
