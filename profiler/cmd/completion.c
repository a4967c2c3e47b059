/*
 * completion: shell completion scripts out of the command and option tables,
 * for `strandline completion bash|zsh|fish`; the build installs what it
 * prints.
 */
#include <errno.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/commands.h"

/*
 * Inside single quotes of a shell; each of @special gets a backslash.  Fish
 * reads '\'' as POSIX shells do.
 */
static void put_quotable(struct buf *out, const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'') {
			buf_puts(out, "'\\''");
			continue;
		}
		if (strchr(special, *text))
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

static bool completes(const struct opt *o, const char *placeholder)
{
	return o->value &&
	       strncmp(o->value, placeholder, strlen(placeholder)) == 0;
}

static void put_choices(struct buf *out, const struct opt *o)
{
	const char *choice;

	for (size_t n = 0; (choice = o->choice(n)); n++)
		buf_printf(out, "%s%s", n ? " " : "", choice);
}

/* What may follow an option, as a bash command that sets COMPREPLY. */
static void bash_value(struct buf *out, const struct opt *o)
{
	buf_printf(out, "\t\t--%s", o->name);
	if (o->letter)
		buf_printf(out, "|-%c", o->letter);
	buf_puts(out, ") ");
	if (o->type == OPT_CHOICE) {
		buf_puts(out, "COMPREPLY=($(compgen -W \"");
		put_choices(out, o);
		buf_puts(out, "\" -- \"$cur\")); ");
	} else if (completes(o, "DIR")) {
		buf_puts(out, "COMPREPLY=($(compgen -d -- \"$cur\")); ");
	} else if (completes(o, "FILE")) {
		buf_puts(out, "COMPREPLY=($(compgen -f -- \"$cur\")); ");
	}
	buf_puts(out, "return ;;\n");
}

static void bash_options(struct buf *out, const struct command *c)
{
	buf_puts(out, "\t\tif [[ $cur == -* ]]; then\n"
		      "\t\t\tCOMPREPLY=($(compgen -W \"--help");
	for (const struct opt *o = c->options; o && o->name; o++) {
		buf_printf(out, " --%s", o->name);
		if (o->negatable)
			buf_printf(out, " --no-%s", o->name);
	}
	buf_puts(out, "\" -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n");
}

static void bash_operands(struct buf *out, const struct command *c)
{
	if (c->operands == OPERANDS_RECORDING)
		buf_puts(out, "\t\tCOMPREPLY=($(compgen -d -- \"$cur\"))\n");
	if (c->operands == OPERANDS_COMMAND)
		buf_puts(out, "\t\tCOMPREPLY=($(compgen -c -- \"$cur\"))\n");
}

static void bash_command(struct buf *out, const struct command *c)
{
	bool any = false;

	buf_printf(out, "\t%s)\n", c->name);
	if (c->operands == OPERANDS_COMMAND)
		buf_puts(
			out,
			"\t\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
			"\t\t\t[ \"${COMP_WORDS[i]}\" = -- ] || continue\n"
			"\t\t\tif declare -F _command_offset >/dev/null; then\n"
			"\t\t\t\t_command_offset $((i + 1))\n"
			"\t\t\telse\n"
			"\t\t\t\tCOMPREPLY=($(compgen -cf -- \"$cur\"))\n"
			"\t\t\tfi\n"
			"\t\t\treturn\n"
			"\t\tdone\n");
	for (const struct opt *o = c->options; o && o->name; o++)
		any |= o->type != OPT_FLAG;
	if (any) {
		buf_puts(out, "\t\tcase $prev in\n");
		for (const struct opt *o = c->options; o && o->name; o++)
			if (o->type != OPT_FLAG)
				bash_value(out, o);
		buf_puts(out, "\t\tesac\n");
	}
	bash_options(out, c);
	bash_operands(out, c);
	buf_puts(out, "\t\t;;\n");
}

static void bash(struct buf *out)
{
	buf_puts(out, "# bash completion for strandline, by "
		      "`strandline completion bash`\n"
		      "_strandline()\n{\n"
		      "\tlocal i cur=${COMP_WORDS[COMP_CWORD]}\n"
		      "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]}\n\n"
		      "\tCOMPREPLY=()\n"
		      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		      "\t\tCOMPREPLY=($(compgen -W \"");
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			buf_printf(out, "%s ", (*c)->name);
	buf_puts(out, "--help --version\" -- \"$cur\"))\n\t\treturn\n\tfi\n"
		      "\tcase ${COMP_WORDS[1]} in\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			bash_command(out, *c);
	buf_puts(out, "\tesac\n}\n"
		      "complete -o filenames -F _strandline strandline\n");
}

static void zsh_spec(struct buf *out, const struct opt *o, const char *no)
{
	buf_puts(out, " \\\n\t\t\t");
	if (o->letter && !*no)
		buf_printf(out, "'(-%c --%s)'{-%c,--%s}", o->letter, o->name,
			   o->letter, o->name);
	else
		buf_printf(out, "--%s%s", no, o->name);
	buf_puts(out, "'[");
	put_quotable(out, o->help, "[]\\");
	buf_putc(out, ']');
	if (o->type == OPT_CHOICE) {
		buf_printf(out, ":%s:(", o->value);
		put_choices(out, o);
		buf_putc(out, ')');
	} else if (o->type != OPT_FLAG) {
		buf_printf(out, ":%s:%s", o->value,
			   completes(o, "DIR")	  ? "_files -/"
			   : completes(o, "FILE") ? "_files"
						  : "");
	}
	buf_putc(out, '\'');
}

static void zsh_command(struct buf *out, const struct command *c)
{
	buf_printf(out,
		   "\t%s)\n\t\t_arguments -S \\\n\t\t\t"
		   "'(-h --help)'{-h,--help}'[show help]'",
		   c->name);
	for (const struct opt *o = c->options; o && o->name; o++) {
		zsh_spec(out, o, "");
		if (o->negatable)
			zsh_spec(out, o, "no-");
	}
	if (c->operands == OPERANDS_RECORDING)
		buf_puts(out, " \\\n\t\t\t'*:recording:_files -/'");
	if (c->operands == OPERANDS_COMMAND)
		buf_puts(out, " \\\n\t\t\t'(-)1:command:_command_names -e'"
			      " \\\n\t\t\t'*::arguments:_normal'");
	buf_puts(out, "\n\t\t;;\n");
}

static void zsh(struct buf *out)
{
	buf_puts(out, "#compdef strandline\n"
		      "# by `strandline completion zsh`\n"
		      "_strandline() {\n\tlocal -a commands\n"
		      "\tlocal command\n\n\tcommands=(\n");
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden)
			continue;
		buf_printf(out, "\t\t'%s:", (*c)->name);
		put_quotable(out, (*c)->summary, ":\\");
		buf_puts(out, "'\n");
	}
	buf_puts(out, "\t)\n\tif (( CURRENT == 2 )); then\n"
		      "\t\t_describe command commands\n\t\treturn\n\tfi\n"
		      "\tcommand=$words[2]\n\tshift words\n"
		      "\t(( CURRENT-- ))\n\tcase $command in\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			zsh_command(out, *c);
	buf_puts(out, "\tesac\n}\n_strandline \"$@\"\n");
}

static void fish_option(struct buf *out, const struct command *c,
			const struct opt *o, const char *no)
{
	buf_printf(out,
		   "complete -c strandline "
		   "-n '__fish_seen_subcommand_from %s' -l %s%s",
		   c->name, no, o->name);
	if (o->letter && !*no)
		buf_printf(out, " -s %c", o->letter);
	if (o->type == OPT_CHOICE) {
		buf_puts(out, " -x -a '");
		put_choices(out, o);
		buf_putc(out, '\'');
	} else if (completes(o, "DIR")) {
		buf_puts(out, " -x -a '(__fish_complete_directories)'");
	} else if (completes(o, "FILE")) {
		buf_puts(out, " -r -F");
	} else if (o->type != OPT_FLAG) {
		buf_puts(out, " -x");
	}
	buf_puts(out, " -d '");
	put_quotable(out, o->help, "");
	buf_puts(out, "'\n");
}

static void fish_command(struct buf *out, const struct command *c)
{
	buf_printf(out,
		   "complete -c strandline -n __fish_use_subcommand "
		   "-a %s -d '",
		   c->name);
	put_quotable(out, c->summary, "");
	buf_puts(out, "'\n");
	for (const struct opt *o = c->options; o && o->name; o++) {
		fish_option(out, c, o, "");
		if (o->negatable)
			fish_option(out, c, o, "no-");
	}
	if (c->operands == OPERANDS_RECORDING)
		buf_printf(out,
			   "complete -c strandline "
			   "-n '__fish_seen_subcommand_from %s' "
			   "-a '(__fish_complete_directories)'\n",
			   c->name);
	if (c->operands == OPERANDS_COMMAND)
		buf_printf(out,
			   "complete -c strandline "
			   "-n '__fish_seen_subcommand_from %s' "
			   "-a '(__fish_complete_subcommand --fcs-skip=2)'\n",
			   c->name);
}

static void fish(struct buf *out)
{
	buf_puts(out, "# fish completion for strandline, by "
		      "`strandline completion fish`\n"
		      "complete -c strandline -f\n"
		      "complete -c strandline -s h -l help -d 'show help'\n"
		      "complete -c strandline -n __fish_use_subcommand -s V "
		      "-l version -d 'show the version'\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			fish_command(out, *c);
}

static const struct shell {
	const char *name;
	void (*write)(struct buf *out);
} shells[] = {
	{ "bash", bash },
	{ "zsh", zsh },
	{ "fish", fish },
	{ NULL, NULL },
};

static int run(int argc, char **argv, struct err *err)
{
	struct buf out = BUF_INIT;
	const struct shell *shell = shells;
	int arg, rc;

	arg = opt_parse(&cmd_completion, NULL, argc, argv, err);
	if (arg < 0)
		return arg;
	if (argc - arg != 1)
		return err_set(err, -EINVAL,
			       "expected a shell: bash, zsh or fish");
	while (shell->name && strcmp(shell->name, argv[arg]) != 0)
		shell++;
	if (!shell->name)
		return err_set(err, -EINVAL,
			       "no completion for '%s'; there is one for bash, "
			       "zsh and fish",
			       argv[arg]);
	shell->write(&out);
	rc = buf_write_file(&out, "-", err);
	buf_free(&out);
	return rc;
}

const struct command cmd_completion = {
	.name = "completion",
	.summary = "print a shell completion script",
	.usage = "strandline completion bash|zsh|fish",
	.operands = OPERANDS_OTHER,
	.hidden = true,
	.run = run,
};
