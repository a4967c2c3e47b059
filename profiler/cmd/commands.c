/*
 * commands: the list.  Each command's own file holds its grammar.
 */
#include "profiler/cmd/commands.h"

#include <stddef.h>

const struct command *const commands[] = {
	&cmd_run,    &cmd_attach,     &cmd_detach, &cmd_mark, &cmd_top,
	&cmd_stacks, &cmd_report,     &cmd_check,  &cmd_diff, &cmd_serve,
	&cmd_doctor, &cmd_completion, &cmd_man,	   NULL,
};
