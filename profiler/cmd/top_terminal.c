#include "profiler/cmd/top_terminal.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/cmd/top_view.h"

#define ESCAPE_MS    25 /* between an escape and the rest of a key's name */
#define PAIR_ACCENT  1
#define PAIR_ALARM   2
#define KEY_ESCAPE_1 27

static void start_colors(void)
{
	const char *no = getenv("NO_COLOR");

	if ((no && *no) || !has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(PAIR_ACCENT, COLOR_CYAN, -1);
	init_pair(PAIR_ALARM, COLOR_YELLOW, -1);
}

int top_terminal_open(struct err *err)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, -ENOTTY,
			       "top draws on a terminal, and this is none; "
			       "use --once, or strandline report");
	if (!term || !*term || strcmp(term, "dumb") == 0)
		return err_set(err, -ENOTTY,
			       "top cannot draw on this terminal (TERM is %s); "
			       "use --once, or strandline report",
			       term && *term ? term : "not set");
	/* Letters only: a locale's numbers are not ours. */
	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin))
		return err_set(err, -ENOTTY,
			       "the terminal '%s' is not known here; set TERM "
			       "to one that is, such as xterm or vt100",
			       term);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	start_colors();
	return 0;
}

void top_terminal_close(void)
{
	endwin();
	delscreen(set_term(NULL));
}

bool top_terminal_ascii(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

void top_terminal_size(struct top_screen *screen)
{
	int rows, columns;

	getmaxyx(stdscr, rows, columns);
	screen->rows = rows > 0 ? (unsigned)rows : 1;
	screen->columns = columns > 0 ? (unsigned)columns : 1;
}

static attr_t attributes(const struct top_piece *piece)
{
	attr_t reverse = piece->reverse ? A_REVERSE : A_NORMAL;
	bool color = has_colors() && COLOR_PAIRS > PAIR_ALARM;

	switch (piece->style) {
	case LAYOUT_TITLE:
		return reverse | A_BOLD;
	case LAYOUT_FAINT:
		return reverse | (piece->reverse ? A_NORMAL : A_DIM);
	case LAYOUT_ACCENT:
		return reverse | (color ? COLOR_PAIR(PAIR_ACCENT) : A_NORMAL);
	case LAYOUT_ALARM:
		return reverse | A_BOLD |
		       (color ? COLOR_PAIR(PAIR_ALARM) : A_NORMAL);
	case LAYOUT_PLAIN:
		break;
	}
	return reverse;
}

/* A reversed row is so from edge to edge. */
static void fill_rows(const struct top_screen *screen)
{
	const struct top_piece *piece;

	vec_foreach (&screen->pieces, piece)
		if (piece->reverse)
			mvchgat((int)piece->row, 0, -1, A_REVERSE, 0, NULL);
}

void top_terminal_show(const struct top_screen *screen)
{
	const struct top_piece *piece;

	erase();
	fill_rows(screen);
	vec_foreach (&screen->pieces, piece) {
		attrset((int)attributes(piece));
		mvaddstr((int)piece->row, (int)piece->column,
			 screen->texts.bytes + piece->text);
	}
	attrset(A_NORMAL);
	refresh();
}

void top_terminal_redraw(void)
{
	clearok(stdscr, TRUE);
}

int top_terminal_key(void)
{
	int key = getch();

	switch (key) {
	case ERR:
		return -1;
	case KEY_UP:
		return TOP_KEY_UP;
	case KEY_DOWN:
		return TOP_KEY_DOWN;
	case KEY_LEFT:
		return TOP_KEY_LEFT;
	case KEY_RIGHT:
		return TOP_KEY_RIGHT;
	case KEY_PPAGE:
		return TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return TOP_KEY_PAGE_DOWN;
	case KEY_HOME:
		return TOP_KEY_HOME;
	case KEY_END:
		return TOP_KEY_END;
	case KEY_ENTER:
	case '\n':
	case '\r':
		return TOP_KEY_ENTER;
	case KEY_ESCAPE_1:
		return TOP_KEY_ESCAPE;
	case KEY_BACKSPACE:
	case 127:
	case 8:
		return TOP_KEY_BACKSPACE;
	case KEY_RESIZE:
		return TOP_KEY_RESIZE;
	default:
		return key;
	}
}
