/*
 * main: finds the command, runs it, and turns its result into a sentence on
 * standard error and an exit status.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/command.h"
#include "profiler/cmd/help.h"
#include "profiler/cmd/terminal.h"

static int finish(int rc, const struct err *err)
{
	if (rc >= 0)
		return rc;
	terminal_note("%s", err->text[0] ? err->text : strerror(-rc));
	return rc == -EINVAL ? EXIT_USAGE : EXIT_TOOL_FAILED;
}

/* --help of @c, or of the whole when NULL. */
static int print_help(const struct command *c, struct err *err)
{
	struct buf out = BUF_INIT;
	int rc;

	if (c)
		help_command(c, &out, terminal_columns());
	else
		help_overview(&out, terminal_columns());
	rc = buf_write_file(&out, "-", err);
	buf_free(&out);
	return finish(rc, err);
}

static int print_version(struct err *err)
{
	struct buf out = BUF_INIT;
	int rc;

	buf_puts(&out, "strandline " STRANDLINE_VERSION "\n");
	rc = buf_write_file(&out, "-", err);
	buf_free(&out);
	return finish(rc, err);
}

static bool is(const char *word, const char *a, const char *b)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

int main(int argc, char **argv)
{
	const struct command *c;
	struct err err = ERR_INIT;
	bool help;
	int rc;

	if (argc < 2)
		return finish(err_set(&err, -EINVAL,
				      "which command? see "
				      "strandline --help"),
			      &err);
	help = is(argv[1], "help", "--help") || is(argv[1], "-h", "-h");
	if (help && argc == 2)
		return print_help(NULL, &err);
	if (is(argv[1], "-V", "--version"))
		return print_version(&err);
	c = command_find(argv[help ? 2 : 1], &err);
	if (!c)
		return finish(-EINVAL, &err);
	rc = help ? -ECANCELED : c->run(argc - 1, argv + 1, &err);
	if (rc == -ECANCELED)
		return print_help(c, &err);
	return finish(rc, &err);
}
