/*
 * help: --help texts out of the command and option tables.  Pure.
 */
#ifndef STRANDLINE_CMD_HELP_H
#define STRANDLINE_CMD_HELP_H

#include "profiler/cmd/command.h"

struct buf;

/* What `strandline` is and its commands; lines of at most @columns. */
void help_overview(struct buf *out, unsigned columns);
void help_command(const struct command *c, struct buf *out, unsigned columns);

/* "--rate SIZE", "--[no-]follow": an option as a person would write it. */
void help_option_name(const struct opt *o, struct buf *out);
/* What it does, its choices included. */
void help_option_text(const struct opt *o, struct buf *out);

/* One sentence; opens the overview and strandline(1). */
extern const char help_tagline[];
/* Exit statuses, lines "status\tmeaning\n". */
extern const char help_statuses[];

#endif
