/*
 * command: the shape of a subcommand, its option table, and the parser.
 *
 * An option table is constant and says where a value goes as an offset into
 * the command's own options struct, so nothing is global and mutable, and the
 * same table gives --help, shell completion and the man page (help.h,
 * completion.h, man.h).
 */
#ifndef STRANDLINE_CMD_COMMAND_H
#define STRANDLINE_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum opt_type {
	OPT_FLAG,     /* bool        --name, and --no-name when `negatable` */
	OPT_TEXT,     /* const char * */
	OPT_LIST,     /* struct opt_list, repeatable */
	OPT_COUNT,    /* uint64_t */
	OPT_BYTES,    /* uint64_t    by units_parse_bytes */
	OPT_DURATION, /* uint64_t    ns, by units_parse_duration */
	OPT_CHOICE,   /* const char *, one of `choice`; no value: "yes" */
};

struct opt_list {
	const char *at[64];
	size_t count;
};

struct opt {
	char letter; /* 0: none */
	const char *name;
	enum opt_type type;
	size_t at;	   /* offsetof() in the struct given to opt_parse() */
	const char *value; /* placeholder: "DIR" and "FILE" complete paths */
	const char *help;
	/* Of OPT_CHOICE: the n-th choice, NULL past the last. */
	const char *(*choice)(size_t n);
	bool negatable;
};

enum operands { /* what the words that are not options are */
		OPERANDS_NONE,
		OPERANDS_RECORDING,
		OPERANDS_COMMAND, /* the first one ends the options */
		OPERANDS_OTHER,
};

struct command {
	const char *name;
	const char *summary;  /* one line, no full stop */
	const char *usage;    /* "strandline report RECORDING [-f FORMAT]" */
	const char *details;  /* paragraphs, an empty line between; or NULL */
	const char *examples; /* lines "command\tmeaning\n"; or NULL */
	const char *statuses; /* its own, lines "status\tmeaning\n"; or NULL */
	const struct opt *options; /* ends with name NULL; or NULL */
	enum operands operands;
	bool hidden; /* not in help, completion or man pages */
	/*
	 * argv[0] is the command's name.  Returns an exit status >= 0, or
	 * -errno with @err set; -EINVAL is a mistake in the command line
	 * (status EXIT_USAGE), -ECANCELED a wish for --help (no sentence).
	 */
	int (*run)(int argc, char **argv, struct err *err);
};

extern const struct command *const commands[]; /* ends with NULL */
/* NULL with @err set (-EINVAL) when there is none. */
const struct command *command_find(const char *name, struct err *err);

/*
 * Parse @argv by @command's options into the struct @into, which holds the
 * defaults.  Words that are not options are moved to the end of argv, in
 * order; returns the index of the first.  Options may stand anywhere before
 * "--" (before the first word, for OPERANDS_COMMAND).  -EINVAL with a
 * sentence, or -ECANCELED where --help was given.
 */
int opt_parse(const struct command *command, void *into, int argc, char **argv,
	      struct err *err);

#define EXIT_TOOL_FAILED 1
#define EXIT_USAGE	 2
#define EXIT_LEAK	 10 /* of check, and of run --fail-fast */

#endif
