/*
 * man: the manual pages, in roff (man(7)), out of the same tables as --help.
 *
 * `strandline man` prints strandline(1), `strandline man run` prints
 * strandline-run(1); the build writes what is installed with them.
 */
#include <errno.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"
#include "profiler/cmd/help.h"

/* A dot or quote at a line's start is a request, a hyphen a soft one. */
static void put_text(struct buf *out, const char *text)
{
	bool line_start = true;

	for (; *text; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			buf_puts(out, "\\&");
		if (*text == '\\')
			buf_puts(out, "\\e");
		else if (*text == '-')
			buf_puts(out, "\\-");
		else
			buf_putc(out, *text);
		line_start = *text == '\n';
	}
}

static void put_paragraphs(struct buf *out, const char *text)
{
	for (; *text; text++) {
		char one[2] = { *text, '\0' };

		if (text[0] == '\n' && text[1] == '\n') {
			buf_puts(out, "\n.PP\n");
			text++;
			continue;
		}
		put_text(out, one);
	}
	buf_putc(out, '\n');
}

/* Lines "left\tright\n" as tagged paragraphs. */
static void put_pairs(struct buf *out, const char *pairs)
{
	bool left = true;

	buf_puts(out, ".TP\n.B ");
	for (; *pairs; pairs++) {
		char one[2] = { *pairs, '\0' };

		if (left && *pairs == '\t') {
			buf_putc(out, '\n');
			left = false;
		} else if (*pairs == '\n') {
			buf_puts(out, pairs[1] ? "\n.TP\n.B " : "\n");
			left = true;
		} else {
			put_text(out, one);
		}
	}
}

static void put_option(struct buf *out, const struct opt *o)
{
	struct buf part = BUF_INIT;

	buf_puts(out, ".TP\n.B ");
	if (o->letter)
		buf_printf(out, "\\-%c, ", o->letter);
	help_option_name(o, &part);
	put_text(out, part.bytes ? part.bytes : "");
	buf_putc(out, '\n');
	buf_clear(&part);
	help_option_text(o, &part);
	put_text(out, part.bytes ? part.bytes : "");
	buf_putc(out, '\n');
	buf_free(&part);
}

static void put_head(struct buf *out, const char *dash, const char *name,
		     const char *summary, const char *usage)
{
	buf_printf(out,
		   ".TH STRANDLINE%s%s 1 \"\" \"strandline %s\" "
		   "\"Strandline\"\n.SH NAME\nstrandline%s%s \\- %s\n"
		   ".SH SYNOPSIS\n.B ",
		   dash, name, STRANDLINE_VERSION, *dash ? "\\-" : "", name,
		   summary);
	put_text(out, usage);
	buf_puts(out, "\n.SH DESCRIPTION\n");
}

static void put_statuses(struct buf *out, const char *statuses)
{
	buf_puts(out, ".SH EXIT STATUS\n");
	put_pairs(out, statuses ? statuses : help_statuses);
}

static void command_page(const struct command *c, struct buf *out)
{
	put_head(out, "-", c->name, c->summary, c->usage);
	put_paragraphs(out, c->details ? c->details : c->summary);
	buf_puts(out, ".SH OPTIONS\n");
	for (const struct opt *o = c->options; o && o->name; o++)
		put_option(out, o);
	buf_puts(out, ".TP\n.B \\-h, \\-\\-help\nPrint a summary and end.\n");
	if (c->examples) {
		buf_puts(out, ".SH EXAMPLES\n");
		put_pairs(out, c->examples);
	}
	put_statuses(out, c->statuses);
	buf_puts(out, ".SH SEE ALSO\n.BR strandline (1)\n");
}

static void overview_page(struct buf *out)
{
	const char *comma = "";

	put_head(out, "", "", "memory and latency profiler for servers",
		 "strandline COMMAND [options]");
	put_paragraphs(out, help_tagline);
	buf_puts(out, ".SH COMMANDS\n");
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		buf_printf(out, ".TP\n.BR strandline\\-%s (1)\n", (*c)->name);
		put_text(out, (*c)->summary);
		buf_putc(out, '\n');
	}
	put_statuses(out, NULL);
	buf_puts(out, ".SH SEE ALSO\n");
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		buf_printf(out, "%s.BR strandline\\-%s (1)", comma, (*c)->name);
		comma = ",\n";
	}
	buf_putc(out, '\n');
}

static int run(int argc, char **argv, struct err *err)
{
	const struct command *c = NULL;
	struct buf out = BUF_INIT;
	int arg, rc;

	arg = opt_parse(&cmd_man, NULL, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg > 1)
		return err_set(err, -EINVAL, "expected one command's name");
	if (arg < argc) {
		c = command_find(argv[arg], err);
		if (!c)
			return -EINVAL;
		command_page(c, &out);
	} else {
		overview_page(&out);
	}
	rc = buf_write_file(&out, "-", err);
	buf_free(&out);
	return rc;
}

const struct command cmd_man = {
	.name = "man",
	.summary = "print a manual page",
	.usage = "strandline man [COMMAND]",
	.operands = OPERANDS_OTHER,
	.hidden = true,
	.run = run,
};
