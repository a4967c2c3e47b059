/*
 * doctor_print: the list for a person and for programs.
 */
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/cmd/doctor.h"
#include "reports/emit.h"
#include "reports/layout.h"

#define NAME_WIDTH  21u
#define MARK_WIDTH  7u
#define TEXT_COLUMN (2u + MARK_WIDTH + NAME_WIDTH + 1u)

static const struct {
	const char *mark, *name;
	enum layout_style style;
} states[] = {
	[DOCTOR_WORKS] = { "ok", "works", LAYOUT_ACCENT },
	[DOCTOR_PARTLY] = { "partly", "partly", LAYOUT_TITLE },
	[DOCTOR_FAILS] = { "no", "fails", LAYOUT_ALARM },
	[DOCTOR_FACT] = { "", "fact", LAYOUT_FAINT },
};

static void put_check(const struct layout *l, const struct doctor_check *c)
{
	layout_fill(l, 2);
	layout_style(l, states[c->state].style);
	layout_put(l, states[c->state].mark, MARK_WIDTH, LAYOUT_LEFT);
	layout_style(l, LAYOUT_PLAIN);
	layout_put(l, c->name, NAME_WIDTH, LAYOUT_LEFT);
	layout_fill(l, 1);
	layout_wrap(l, c->text, TEXT_COLUMN);
	if (!c->mend[0])
		return;
	layout_fill(l, TEXT_COLUMN);
	layout_style(l, LAYOUT_FAINT);
	buf_puts(l->out, "> ");
	layout_wrap(l, c->mend, TEXT_COLUMN + 2);
	layout_style(l, LAYOUT_PLAIN);
}

void doctor_text(const struct doctor *d, const struct layout *l)
{
	const struct doctor_check *c;
	const char *section = "";

	vec_foreach (&d->checks, c) {
		if (strcmp(section, c->section) != 0) {
			if (*section)
				buf_putc(l->out, '\n');
			section = c->section;
			layout_line(l, LAYOUT_TITLE, section);
		}
		put_check(l, c);
	}
}

void doctor_json(const struct doctor *d, int pid, struct buf *out)
{
	struct emit e = { .out = out };
	const struct doctor_check *c;

	emit_open(&e, '{');
	emit_key_integer(&e, "schema", 1);
	if (pid)
		emit_key_integer(&e, "pid", pid);
	emit_key(&e, "checks");
	emit_open(&e, '[');
	vec_foreach (&d->checks, c) {
		emit_line(&e);
		emit_open(&e, '{');
		emit_key_text(&e, "section", c->section);
		emit_key_text(&e, "name", c->name);
		emit_key_text(&e, "state", states[c->state].name);
		emit_key_text(&e, "text", c->text);
		emit_key_text(&e, "mend", c->mend[0] ? c->mend : NULL);
		emit_close(&e, '}');
	}
	emit_close(&e, ']');
	emit_close(&e, '}');
	buf_putc(out, '\n');
}
