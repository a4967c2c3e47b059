/*
 * command: the shape of a subcommand, its option table, and what is made of
 * it: parsing, --help, shell completion and the OPTIONS part of its man page.
 */
#ifndef STRANDLINE_CMD_COMMAND_H
#define STRANDLINE_CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum opt_type {
	OPT_FLAG,     /* bool *      --name / --no-name when `negatable` */
	OPT_TEXT,     /* const char ** */
	OPT_LIST,     /* struct opt_list *, repeatable */
	OPT_COUNT,    /* uint64_t * */
	OPT_BYTES,    /* uint64_t * by units_parse_bytes */
	OPT_DURATION, /* uint64_t * ns by units_parse_duration */
	OPT_CHOICE,   /* const char ** out of `choices` (comma-separated) */
};

struct opt_list {
	const char *at[64];
	size_t count;
};

struct opt {
	char letter; /* 0: none */
	const char *name;
	enum opt_type type;
	const char *value; /* placeholder in --help, e.g. "DIR" */
	const char *help;
	void *into;
	const char *choices;
	bool negatable;
};

struct command {
	const char *name;
	const char *summary; /* one line */
	const char *usage;   /* "strandline report RECORDING [-f FORMAT]" */
	const char *details; /* paragraph for --help and the man page */
	const struct opt *options; /* ends with name NULL */
	/*
	 * argv[0] is the command's name; options may stand anywhere before
	 * "--".  Returns an exit status >= 0, or -errno with @err set.
	 */
	int (*run)(int argc, char **argv, struct err *err);
};

extern const struct command *const commands[]; /* ends with NULL */
const struct command *command_find(const char *name);

/*
 * Parse @argv by @options.  On success argv is permuted so that the words
 * that are not options stand from the returned index on.  "--" ends options.
 * -EINVAL with a sentence otherwise.
 */
int opt_parse(const struct opt *options, int argc, char **argv,
	      struct err *err);

#define EXIT_TOOL_FAILED 1
#define EXIT_USAGE	 2

#endif
