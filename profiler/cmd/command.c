/*
 * command: finds a command by name and parses options by their table.
 */
#include "profiler/cmd/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/units.h"
#include "profiler/base/words.h"

const struct command *command_find(const char *name, struct err *err)
{
	for (const struct command *const *c = commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	for (const struct command *const *c = commands; *c; c++) {
		if ((*c)->hidden || !words_resemble(name, (*c)->name))
			continue;
		err_set(err, -EINVAL,
			"unknown command '%s'; did you mean '%s'?", name,
			(*c)->name);
		return NULL;
	}
	err_set(err, -EINVAL, "unknown command '%s'; see strandline --help",
		name);
	return NULL;
}

static bool has_value(const struct opt *o)
{
	return o->type != OPT_FLAG;
}

static int parse_count(const char *text, uint64_t *n)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*n = strtoull(text, &end, 10);
	return errno || *end ? -EINVAL : 0;
}

static int parse_choice(const struct opt *o, const char *text,
			const char **chosen, struct err *err)
{
	struct buf list = BUF_INIT;
	const char *choice;
	int rc;

	for (size_t n = 0; (choice = o->choice(n)); n++) {
		if (strcmp(choice, text) == 0) {
			*chosen = choice;
			buf_free(&list);
			return 0;
		}
		buf_printf(&list, "%s%s", n ? ", " : "", choice);
	}
	rc = err_set(err, -EINVAL, "--%s: unknown '%s'; choose one of %s",
		     o->name, text, list.bytes ? list.bytes : "none");
	buf_free(&list);
	return rc;
}

/* Say which option a value that does not parse was for. */
static int refuse_value(const struct opt *o, const struct err *why,
			struct err *err)
{
	return err_set(err, -EINVAL, "--%s: %s", o->name, why->text);
}

static int store(const struct opt *o, void *into, const char *text,
		 struct err *err)
{
	void *at = (char *)into + o->at;
	struct err why = ERR_INIT;
	struct opt_list *list = at;
	int rc = 0;

	switch (o->type) {
	case OPT_FLAG:
		*(bool *)at = true;
		break;
	case OPT_TEXT:
		*(const char **)at = text;
		break;
	case OPT_LIST:
		if (list->count == sizeof(list->at) / sizeof(list->at[0]))
			return err_set(err, -EINVAL, "--%s: more than %zu",
				       o->name, list->count);
		list->at[list->count++] = text;
		break;
	case OPT_COUNT:
		if (parse_count(text, at) < 0)
			return err_set(err, -EINVAL,
				       "--%s: '%s' is not a whole number",
				       o->name, text);
		break;
	case OPT_BYTES:
		rc = units_parse_bytes(text, at, &why);
		break;
	case OPT_DURATION:
		rc = units_parse_duration(text, at, &why);
		break;
	case OPT_CHOICE:
		return parse_choice(o, text, at, err);
	}
	return rc < 0 ? refuse_value(o, &why, err) : 0;
}

/* The option named by the @len bytes at @name; *@negated for --no-NAME. */
static const struct opt *find_long(const struct opt *options, const char *name,
				   size_t len, bool *negated)
{
	for (const struct opt *o = options; o && o->name; o++) {
		*negated = false;
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
		*negated = true;
		if (o->negatable && len == strlen(o->name) + 3 &&
		    !memcmp(name, "no-", 3) &&
		    !memcmp(name + 3, o->name, len - 3))
			return o;
	}
	return NULL;
}

static const struct opt *find_short(const struct opt *options, char letter)
{
	for (const struct opt *o = options; o && o->name; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

static int unknown_option(const struct command *c, const char *word,
			  struct err *err)
{
	for (const struct opt *o = c->options; o && o->name; o++)
		if (!strncmp(word, "--", 2) &&
		    words_resemble(word + 2, o->name))
			return err_set(err, -EINVAL,
				       "unknown option '%s'; did you mean "
				       "'--%s'?",
				       word, o->name);
	return err_set(err, -EINVAL,
		       "unknown option '%s'; see strandline %s --help", word,
		       c->name);
}

/* What a parse has before it; `taken` words were used as options so far. */
struct parse {
	const struct command *command;
	void *into;
	int argc;
	char **argv;
	int at;
	struct err *err;
};

/* Of choices among which is "yes": that is what the bare option means. */
static bool is_switch(const struct opt *o)
{
	const char *choice;

	for (size_t n = 0;
	     o->type == OPT_CHOICE && (choice = o->choice(n)) != NULL; n++)
		if (strcmp(choice, "yes") == 0)
			return true;
	return false;
}

static int need_value(struct parse *p, const struct opt *o, const char *inl,
		      const char **value)
{
	if (inl) {
		*value = inl;
		return 0;
	}
	if (is_switch(o) &&
	    (p->at + 1 >= p->argc || p->argv[p->at + 1][0] == '-')) {
		*value = "yes";
		return 0;
	}
	if (p->at + 1 >= p->argc)
		return err_set(p->err, -EINVAL, "--%s needs a value: %s",
			       o->name, o->value);
	*value = p->argv[++p->at];
	return 0;
}

/* argv[at] is --name, --name=value or --no-name. */
static int parse_long(struct parse *p)
{
	const char *name = p->argv[p->at] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const char *value = NULL;
	const struct opt *o;
	bool negated;
	int rc;

	if (strcmp(name, "help") == 0)
		return -ECANCELED;
	o = find_long(p->command->options, name, len, &negated);
	if (!o)
		return unknown_option(p->command, p->argv[p->at], p->err);
	if (!has_value(o)) {
		if (equals)
			return err_set(p->err, -EINVAL, "--%s takes no value",
				       o->name);
		*(bool *)((char *)p->into + o->at) = !negated;
		return 0;
	}
	rc = need_value(p, o, equals ? equals + 1 : NULL, &value);
	return rc < 0 ? rc : store(o, p->into, value, p->err);
}

/* argv[at] is one or more letters: -q, -ofile, -qo file. */
static int parse_short(struct parse *p)
{
	const char *word = p->argv[p->at], *value = NULL;
	int rc;

	for (const char *at = word + 1; *at; at++) {
		const struct opt *o = find_short(p->command->options, *at);

		if (!o && *at == 'h')
			return -ECANCELED;
		if (!o)
			return unknown_option(p->command, word, p->err);
		if (has_value(o)) {
			rc = need_value(p, o, at[1] ? at + 1 : NULL, &value);
			return rc < 0 ? rc : store(o, p->into, value, p->err);
		}
		*(bool *)((char *)p->into + o->at) = true;
	}
	return 0;
}

/* Move argv[from..at] before the words that start at @first. */
static int rotate(char **argv, int first, int from, int at)
{
	for (int i = from; i <= at; i++, first++) {
		char *word = argv[i];

		memmove(&argv[first + 1], &argv[first],
			(size_t)(i - first) * sizeof(*argv));
		argv[first] = word;
	}
	return first;
}

int opt_parse(const struct command *command, void *into, int argc, char **argv,
	      struct err *err)
{
	struct parse p = { command, into, argc, argv, 1, err };
	int first = 1; /* of the words that are not options */

	for (; p.at < argc; p.at++) {
		const char *word = argv[p.at];
		int from = p.at, rc;

		if (word[0] != '-' || !word[1]) { /* "-" is a word */
			if (command->operands == OPERANDS_COMMAND)
				break;
			continue;
		}
		if (strcmp(word, "--") == 0)
			return rotate(argv, first, from, from);
		rc = word[1] == '-' ? parse_long(&p) : parse_short(&p);
		if (rc < 0)
			return rc;
		first = rotate(argv, first, from, p.at);
	}
	return first;
}
