/*
 * terminal: what the standard streams are, and the way a note reaches a
 * person without mixing into what the command prints.
 */
#ifndef STRANDLINE_CMD_TERMINAL_H
#define STRANDLINE_CMD_TERMINAL_H

#include <stdbool.h>

/* Columns of standard output when it is a terminal, else 80. */
unsigned terminal_columns(void);
/* Standard output is a terminal that wants colours (NO_COLOR unset). */
bool terminal_color(void);
/* "strandline: sentence" and a newline on standard error. */
void terminal_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
