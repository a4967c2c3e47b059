/*
 * top_terminal: a screen of top_view on a terminal, by ncurses, and its keys.
 *
 * There can be one at a time, which is how ncurses is.
 */
#ifndef STRANDLINE_CMD_TOP_TERMINAL_H
#define STRANDLINE_CMD_TOP_TERMINAL_H

#include <stdbool.h>

struct err;
struct top_screen;

/* -ENOTTY with a sentence where there is none that can be drawn on. */
int top_terminal_open(struct err *err);
/* Give the terminal back as it was. */
void top_terminal_close(void);
/* Rows and columns, as they are now. */
void top_terminal_size(struct top_screen *screen);
void top_terminal_show(const struct top_screen *screen);
/* All of it anew: somebody else wrote on it. */
void top_terminal_redraw(void);
/* The next key that was pressed (top_view.h), or -1. */
int top_terminal_key(void);
/* It shows ASCII letters only. */
bool top_terminal_ascii(void);

#endif
