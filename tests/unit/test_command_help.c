#include "profiler/cmd/help.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/buf.h"

struct args {
	bool follow;
	const char *mode, *output;
};

static const char *mode_choice(size_t n)
{
	static const char *const modes[] = { "sample", "exact", NULL };

	return modes[n];
}

static const struct opt options[] = {
	{ 'o', "output", OPT_TEXT, offsetof(struct args, output), "FILE",
	  "where all that is found out along the way is to be written to in "
	  "the end",
	  NULL, false },
	{ 0, "mode", OPT_CHOICE, offsetof(struct args, mode), "MODE",
	  "how much", mode_choice, false },
	{ 0, "follow", OPT_FLAG, offsetof(struct args, follow), NULL,
	  "children too", NULL, true },
	{ 0, "a-name-that-is-very-long", OPT_COUNT, 0, "N", "counted", NULL,
	  false },
	{ 0 },
};

static const struct command sample = {
	.name = "sample",
	.summary = "take a sample",
	.usage = "strandline sample [options]",
	.details = "The first paragraph.\n\nThe second.",
	.examples = "strandline sample -o x\tinto x\n",
	.options = options,
};

Test(help, of_a_command_lists_its_options_in_columns)
{
	struct buf out = BUF_INIT;

	help_command(&sample, &out, 72);
	cr_assert_str_eq(
		out.bytes,
		"Usage: strandline sample [options]\n"
		"\n"
		"The first paragraph.\n"
		"\n"
		"The second.\n"
		"\n"
		"Options:\n"
		"  -o, --output FILE       where all that is found out along "
		"the "
		"way is\n"
		"                          to be written to in the end\n"
		"      --mode MODE         how much: sample, exact\n"
		"      --[no-]follow       children too\n"
		"      --a-name-that-is-very-long N\n"
		"                          counted\n"
		"  -h, --help              this text\n"
		"\n"
		"Examples:\n"
		"  strandline sample -o x\n"
		"      into x\n");
	buf_free(&out);
}

/* The longest line of @text. */
static size_t width(const char *text)
{
	size_t widest = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		widest = len > widest ? len : widest;
		text += len + (text[len] == '\n');
	}
	return widest;
}

Test(help, of_every_command_fits_eighty_columns)
{
	for (const struct command *const *c = commands; *c; c++) {
		struct buf out = BUF_INIT;

		help_command(*c, &out, 80);
		cr_assert_leq(width(out.bytes), 80, "%s", (*c)->name);
		buf_free(&out);
	}
}

Test(help, names_every_command_but_the_hidden)
{
	struct buf out = BUF_INIT;

	help_overview(&out, 80);
	for (const struct command *const *c = commands; *c; c++) {
		char row[64];

		snprintf(row, sizeof(row), "\n  %s ", (*c)->name);
		cr_assert_eq(strstr(out.bytes, row) != NULL, !(*c)->hidden,
			     "%s", (*c)->name);
	}
	cr_assert_leq(width(out.bytes), 80);
	buf_free(&out);
}

Test(help, of_a_command_with_statuses_of_its_own_ends_with_them)
{
	static const struct command judge = {
		.name = "judge",
		.usage = "strandline judge",
		.statuses = "0\tfine\n13\tmore is needed\n",
	};
	static const char end[] = "\nExit status:\n"
				  "  0   fine\n"
				  "  13  more is needed\n";
	struct buf out = BUF_INIT;

	help_command(&judge, &out, 72);
	cr_assert_str_eq(out.bytes + out.len - (sizeof(end) - 1), end);
	buf_free(&out);
}
