/*
 * commands: one constant for each subcommand, defined in the file of its name.
 */
#ifndef STRANDLINE_CMD_COMMANDS_H
#define STRANDLINE_CMD_COMMANDS_H

#include "profiler/cmd/command.h"

extern const struct command cmd_run;
extern const struct command cmd_attach;
extern const struct command cmd_detach;
extern const struct command cmd_mark;
extern const struct command cmd_stacks;
extern const struct command cmd_top;
extern const struct command cmd_doctor;
extern const struct command cmd_report;
extern const struct command cmd_check;
extern const struct command cmd_diff;
extern const struct command cmd_serve;
extern const struct command cmd_completion; /* hidden, in completion.c */
extern const struct command cmd_man;	    /* hidden, in man.c */

#endif
