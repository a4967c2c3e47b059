#include "profiler/cmd/command.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "profiler/base/err.h"

struct args {
	bool quiet, follow;
	const char *output, *mode, *objects;
	uint64_t count, size, time;
	struct opt_list labels;
};

static const char *mode_choice(size_t n)
{
	static const char *const modes[] = { "sample", "exact", NULL };

	return modes[n];
}

static const char *objects_choice(size_t n)
{
	static const char *const choices[] = { "auto", "yes", "no", NULL };

	return choices[n];
}

#define AT(field) offsetof(struct args, field)

static const struct opt options[] = {
	{ 'q', "quiet", OPT_FLAG, AT(quiet), NULL, "say less", NULL, false },
	{ 'f', "follow", OPT_FLAG, AT(follow), NULL, "follow", NULL, true },
	{ 'o', "output", OPT_TEXT, AT(output), "DIR", "where", NULL, false },
	{ 'm', "mode", OPT_CHOICE, AT(mode), "MODE", "how", mode_choice,
	  false },
	{ 0, "objects", OPT_CHOICE, AT(objects), "WHEN", "them, too",
	  objects_choice, false },
	{ 'n', "count", OPT_COUNT, AT(count), "N", "how many", NULL, false },
	{ 0, "size", OPT_BYTES, AT(size), "SIZE", "how big", NULL, false },
	{ 0, "time", OPT_DURATION, AT(time), "TIME", "how long", NULL, false },
	{ 'l', "label", OPT_LIST, AT(labels), "TEXT", "label", NULL, false },
	{ 0 },
};

static const struct command plain = { .name = "plain", .options = options };
static const struct command runner = { .name = "runner",
				       .options = options,
				       .operands = OPERANDS_COMMAND };

/* A parse of words given as one line; argv outlives the call. */
struct parsed {
	struct args args;
	struct err err;
	char line[256];
	char *argv[32];
	int argc, arg;
};

static struct parsed parse(const struct command *c, const char *line)
{
	static struct parsed p; /* argv points into it */
	char *rest;

	memset(&p, 0, sizeof(p));
	strcpy(p.line, line);
	for (char *w = strtok_r(p.line, " ", &rest); w;
	     w = strtok_r(NULL, " ", &rest))
		p.argv[p.argc++] = w;
	p.arg = opt_parse(c, &p.args, p.argc, p.argv, &p.err);
	return p;
}

static void check_refused(const struct command *c, const char *line,
			  const char *sentence)
{
	struct parsed p = parse(c, line);

	cr_assert_eq(p.arg, -EINVAL, "%s gave %d", line, p.arg);
	cr_assert_str_eq(p.err.text, sentence);
}

Test(command, options_may_stand_between_words)
{
	struct parsed p = parse(&plain, "plain a -q b --output c d");

	cr_assert_eq(p.arg, 4);
	cr_assert(p.args.quiet);
	cr_assert_str_eq(p.args.output, "c");
	cr_assert_str_eq(p.argv[4], "a");
	cr_assert_str_eq(p.argv[5], "b");
	cr_assert_str_eq(p.argv[6], "d");
}

Test(command, two_dashes_end_the_options)
{
	struct parsed p = parse(&plain, "plain a -- -q --output");

	cr_assert_eq(p.arg, 2);
	cr_assert(!p.args.quiet);
	cr_assert_str_eq(p.argv[2], "a");
	cr_assert_str_eq(p.argv[3], "-q");
	cr_assert_str_eq(p.argv[4], "--output");
}

Test(command, the_first_word_of_a_command_ends_the_options)
{
	struct parsed p = parse(&runner, "runner -q sleep -q 1");

	cr_assert_eq(p.arg, 2);
	cr_assert_str_eq(p.argv[2], "sleep");
	cr_assert_str_eq(p.argv[3], "-q");
}

Test(command, a_command_may_have_its_own_two_dashes)
{
	struct parsed p = parse(&runner, "runner -q -- sh -- -c");

	cr_assert_eq(p.arg, 3);
	cr_assert_str_eq(p.argv[3], "sh");
	cr_assert_str_eq(p.argv[4], "--");
}

Test(command, values_may_be_joined_by_an_equals_sign)
{
	struct parsed p = parse(&plain, "plain --output=a=b --mode=exact");

	cr_assert_eq(p.arg, 3);
	cr_assert_str_eq(p.args.output, "a=b");
	cr_assert_str_eq(p.args.mode, "exact");
}

Test(command, letters_may_be_joined)
{
	struct parsed p = parse(&plain, "plain -qfodir -n 7");

	cr_assert_eq(p.arg, 4);
	cr_assert(p.args.quiet);
	cr_assert(p.args.follow);
	cr_assert_str_eq(p.args.output, "dir");
	cr_assert_eq(p.args.count, 7);
}

Test(command, the_last_of_two_values_counts)
{
	struct parsed p = parse(&plain, "plain --count 1 --count 2");

	cr_assert_eq(p.args.count, 2);
}

Test(command, no_undoes_a_flag_that_can_be_undone)
{
	struct parsed p = parse(&plain, "plain --follow --no-follow");

	cr_assert_eq(p.arg, 3);
	cr_assert(!p.args.follow);
}

Test(command, sizes_and_times_have_units)
{
	struct parsed p = parse(&plain, "plain --size 64KiB --time 1.5s");

	cr_assert_eq(p.args.size, 65536);
	cr_assert_eq(p.args.time, 1500000000);
}

Test(command, a_list_keeps_its_order)
{
	struct parsed p = parse(&plain, "plain -l a --label b -lc");

	cr_assert_eq(p.args.labels.count, 3);
	cr_assert_str_eq(p.args.labels.at[0], "a");
	cr_assert_str_eq(p.args.labels.at[2], "c");
}

Test(command, a_single_dash_is_a_word)
{
	struct parsed p = parse(&plain, "plain -");

	cr_assert_eq(p.arg, 1);
}

Test(command, help_is_told_from_a_mistake)
{
	cr_assert_eq(parse(&plain, "plain a --help").arg, -ECANCELED);
	cr_assert_eq(parse(&plain, "plain -qh").arg, -ECANCELED);
	cr_assert_eq(parse(&plain, "plain -- --help").arg, 2);
	cr_assert_eq(parse(&plain, "plain -l --help").arg, 3);
	cr_assert_eq(parse(&runner, "runner sh --help").arg, 1);
}

Test(command, mistakes_are_refused_with_the_way_out)
{
	check_refused(&plain, "plain --outputs x",
		      "unknown option '--outputs'; did you mean '--output'?");
	check_refused(&plain, "plain --zebra",
		      "unknown option '--zebra'; see strandline plain --help");
	check_refused(&plain, "plain --no-quiet",
		      "unknown option '--no-quiet'; see strandline plain "
		      "--help");
	check_refused(&plain, "plain -qz",
		      "unknown option '-qz'; see strandline plain --help");
	check_refused(&plain, "plain --output", "--output needs a value: DIR");
	check_refused(&plain, "plain --quiet=yes", "--quiet takes no value");
	check_refused(&plain, "plain --mode fast",
		      "--mode: unknown 'fast'; choose one of sample, exact");
	check_refused(&plain, "plain --size lots",
		      "--size: 'lots' is not a size; write for example 4096, "
		      "64KiB or 1.5GiB");
}

Test(command, counts_are_whole_and_fit_64_bits)
{
	check_refused(&plain, "plain -n 1.5",
		      "--count: '1.5' is not a whole number");
	check_refused(&plain, "plain -n -1",
		      "--count: '-1' is not a whole number");
	check_refused(&plain, "plain -n 18446744073709551616",
		      "--count: '18446744073709551616' is not a whole number");
}

Test(command, a_misspelt_command_is_offered_its_name)
{
	struct err err = ERR_INIT;

	cr_assert_null(command_find("reprot", &err));
	cr_assert_str_eq(err.text, "unknown command 'reprot'; did you mean "
				   "'report'?");
	cr_assert_null(command_find("juggle", &err));
	cr_assert_str_eq(err.text,
			 "unknown command 'juggle'; see strandline --help");
}

Test(command, a_choice_of_yes_needs_no_value)
{
	cr_assert_str_eq(parse(&runner, "run --objects -- yes").args.objects,
			 "yes");
	cr_assert_str_eq(parse(&runner, "run --objects -q x").args.objects,
			 "yes");
	cr_assert_str_eq(parse(&plain, "plain --objects").args.objects, "yes");
	cr_assert_str_eq(parse(&plain, "plain --objects no").args.objects,
			 "no");
}

Test(command, a_choice_without_yes_needs_a_value)
{
	cr_assert_eq(parse(&plain, "plain --mode").arg, -EINVAL);
}
