/*
 * help: --help texts out of the command and option tables.
 */
#include "profiler/cmd/help.h"

#include <string.h>

#include "profiler/base/buf.h"

#define TEXT_COLUMN 26 /* where the meaning of an option starts */

const char help_tagline[] =
	"Strandline tells where the memory of a server goes: which code holds "
	"it, which let it grow, and what the process keeps besides.";

const char help_statuses[] =
	"0\tall went well\n"
	"1\tstrandline itself failed; one sentence on standard error says "
	"why\n"
	"2\tthe command line was wrong\n";

/*
 * Append @text word by word, breaking before column @columns; later lines
 * start at @indent.  @column is where the cursor stands.
 */
static void put_wrapped(struct buf *out, const char *text, unsigned indent,
			unsigned column, unsigned columns)
{
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, " ");

		if (!first && column + 1 + len > columns) {
			buf_printf(out, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		if (!first) {
			buf_putc(out, ' ');
			column++;
		}
		buf_write(out, text, len);
		column += (unsigned)len;
		text += len;
		text += strspn(text, " ");
		first = false;
	}
	buf_putc(out, '\n');
}

/* "  left        right, wrapped" with @right starting at @column. */
static void put_row(struct buf *out, const char *left, const char *right,
		    unsigned column, unsigned columns)
{
	size_t len = strlen(left) + 2;

	buf_printf(out, "  %s", left);
	if (len + 2 > column) {
		buf_putc(out, '\n');
		len = 0;
	}
	buf_printf(out, "%*s", (int)(column - len), "");
	put_wrapped(out, right, column, column, columns);
}

/* Paragraphs are parted by empty lines. */
static void put_paragraphs(struct buf *out, const char *text, unsigned columns)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		struct buf one = BUF_INIT;

		buf_write(&one, text, len);
		put_wrapped(out, one.bytes ? one.bytes : "", 0, 0, columns);
		buf_putc(out, '\n');
		buf_free(&one);
		text += len + (end ? 2 : 0);
	}
}

/* Lines "left\tright\n" as rows. */
static void put_pairs(struct buf *out, const char *pairs, unsigned column,
		      unsigned columns)
{
	while (*pairs) {
		size_t left = strcspn(pairs, "\t");
		size_t right = strcspn(pairs + left + 1, "\n");
		struct buf l = BUF_INIT, r = BUF_INIT;

		buf_write(&l, pairs, left);
		buf_write(&r, pairs + left + 1, right);
		if (l.bytes && r.bytes)
			put_row(out, l.bytes, r.bytes, column, columns);
		buf_free(&l);
		buf_free(&r);
		pairs += left + right + 2;
	}
}

void help_option_name(const struct opt *o, struct buf *out)
{
	buf_printf(out, "--%s%s", o->negatable ? "[no-]" : "", o->name);
	if (o->type != OPT_FLAG)
		buf_printf(out, " %s", o->value);
}

void help_option_text(const struct opt *o, struct buf *out)
{
	const char *choice;

	buf_puts(out, o->help);
	if (o->type != OPT_CHOICE)
		return;
	for (size_t n = 0; (choice = o->choice(n)); n++)
		buf_printf(out, "%s%s", n ? ", " : ": ", choice);
}

static void put_option(struct buf *out, const struct opt *o, unsigned columns)
{
	struct buf name = BUF_INIT, text = BUF_INIT;

	if (o->letter)
		buf_printf(&name, "-%c, ", o->letter);
	else
		buf_puts(&name, "    ");
	help_option_name(o, &name);
	help_option_text(o, &text);
	if (name.bytes && text.bytes)
		put_row(out, name.bytes, text.bytes, TEXT_COLUMN, columns);
	buf_free(&name);
	buf_free(&text);
}

void help_command(const struct command *c, struct buf *out, unsigned columns)
{
	buf_printf(out, "Usage: %s\n\n", c->usage);
	if (c->details)
		put_paragraphs(out, c->details, columns);
	buf_puts(out, "Options:\n");
	for (const struct opt *o = c->options; o && o->name; o++)
		put_option(out, o, columns);
	put_row(out, "-h, --help", "this text", TEXT_COLUMN, columns);
	if (c->examples) {
		buf_puts(out, "\nExamples:\n");
		put_pairs(out, c->examples, 6, columns);
	}
	if (c->statuses) {
		buf_puts(out, "\nExit status:\n");
		put_pairs(out, c->statuses, 6, columns);
	}
}

void help_overview(struct buf *out, unsigned columns)
{
	put_wrapped(out, help_tagline, 0, 0, columns);
	buf_puts(out, "\nUsage: strandline COMMAND [options]\n\nCommands:\n");
	for (const struct command *const *c = commands; *c; c++)
		if (!(*c)->hidden)
			put_row(out, (*c)->name, (*c)->summary, 12, columns);
	buf_puts(out, "\nOptions:\n");
	put_row(out, "-h, --help", "this text; after a command, its own", 18,
		columns);
	put_row(out, "-V, --version", "the version", 18, columns);
	buf_puts(out, "\nExit status:\n");
	put_pairs(out, help_statuses, 6, columns);
}
