/*
 * top_view: what `strandline top` shows, as rows of styled text.
 *
 * Pure: a model and what the user chose in, pieces of text with a place and a
 * style out.  The terminal is somebody else's (top_terminal.h), so that all of
 * it can be tested without one.
 */
#ifndef STRANDLINE_CMD_TOP_VIEW_H
#define STRANDLINE_CMD_TOP_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "profiler/base/buf.h"
#include "profiler/base/vec.h"
#include "profiler/model/model.h"
#include "reports/layout.h"

struct verdict;

enum top_table {
	TOP_SITES,
	TOP_REQUESTS,
	TOP_STACK, /* of the site that is selected */
	TOP_PROCESSES,
	TOP_TABLES,
};

enum top_mode {
	TOP_NORMAL,
	TOP_FILTERING, /* keys are letters of the filter */
	TOP_HELP,
};

enum top_action { /* what a key asks its caller to do */
		  TOP_NOTHING,
		  TOP_REDRAW,
		  TOP_QUIT,
		  TOP_SAVE,   /* a report of what is shown */
		  TOP_ATTACH, /* start to record the process */
};

enum top_key { /* beside characters, which are themselves */
	       TOP_KEY_UP = 0x110000,
	       TOP_KEY_DOWN,
	       TOP_KEY_LEFT,
	       TOP_KEY_RIGHT,
	       TOP_KEY_PAGE_UP,
	       TOP_KEY_PAGE_DOWN,
	       TOP_KEY_HOME,
	       TOP_KEY_END,
	       TOP_KEY_ENTER,
	       TOP_KEY_ESCAPE,
	       TOP_KEY_BACKSPACE,
	       TOP_KEY_RESIZE,
};

struct top_state { /* what the user chose */
	enum top_table table;
	enum top_mode mode;
	enum model_kind kind;
	bool kind_chosen;	   /* else it is what suits the recording */
	unsigned kinds;		   /* 1 << kind: something is recorded of it */
	unsigned sort[TOP_TABLES]; /* which order of each */
	size_t selected[TOP_TABLES], first[TOP_TABLES];
	size_t page; /* rows of the table, as drawn last */
	/* Of the help: the line shown first, and after the last one shown. */
	size_t help, help_end, help_lines;
	bool paused;
	bool ascii; /* the terminal has no other letters */
	char filter[48];
};

struct top_facts {		   /* what there is to show; nothing is owned */
	const struct model *model; /* NULL: nothing was read yet */
	const struct verdict *verdict; /* NULL: none was made */
	const char *name;	       /* of the recording or the process */
	bool is_process;	       /* which the name is the number of */
	bool live;		       /* it goes on */
	bool can_attach;	       /* nothing records it, and `a` would */
	const char *notice;	       /* a sentence, or NULL */
};

struct top_piece {
	unsigned row, column;
	enum layout_style style;
	bool reverse;
	size_t text; /* offset into texts */
};

struct top_screen {
	unsigned rows, columns;
	VEC(struct top_piece) pieces; /* by row, then column */
	struct buf texts;
};

/* Draw anew; clamps what of @s no longer fits the model. */
void top_draw(struct top_screen *screen, const struct top_facts *f,
	      struct top_state *s);
void top_screen_fini(struct top_screen *screen);
/* The same as plain lines, for tests and for where there is no terminal. */
void top_screen_text(const struct top_screen *screen, struct buf *out);

/* Which of the kinds there is something of, and, until one was chosen, the
 * kind that suits @m. */
void top_kinds(struct top_state *s, const struct model *m);

/* top_keys.c */
enum top_action top_press(struct top_state *s, int key);

/* For the files of the view. */

#define NARROW_COLUMNS 64u /* with fewer, only what matters most */

/* @width cells at most; 0: to the right edge. */
__attribute__((format(printf, 7, 8))) void top_put(
	struct top_screen *screen, unsigned row, unsigned column,
	unsigned width, enum layout_align align, enum layout_style style,
	const char *fmt, ...);
/* All of that row reversed. */
void top_reverse(struct top_screen *screen, unsigned row);

/* top_ledger.c: the upper part; the row after it. */
unsigned top_draw_ledger(struct top_screen *screen, const struct top_facts *f,
			 const struct top_state *s, unsigned row);
/* Requests and errors a second of late, @of NULL: of all; false: not known. */
bool top_rates(const struct model *m, const struct model_endpoint *of,
	       double *requests, double *errors);
/* top_tables.c: from @row to @end. */
void top_draw_table(struct top_screen *screen, const struct top_facts *f,
		    struct top_state *s, unsigned row, unsigned end);
/* How often it can be sorted otherwise, and by what. */
unsigned top_sorts(enum top_table table);
const char *top_sort_name(enum top_table table, unsigned sort);
/* Does the filter let @text through?  Case does not matter. */
bool top_passes(const struct top_state *s, const char *text);

#endif
