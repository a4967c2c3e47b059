/*
 * diff_json: the comparison by reports/diff-schema.json.
 */
#include "profiler/analysis/diff.h"
#include "profiler/analysis/fingerprint.h"
#include "profiler/base/buf.h"
#include "reports/diff.h"
#include "reports/emit.h"
#include "reports/json.h"

static void put_side(struct emit *e, const char *key,
		     const struct diff_side *side)
{
	json_section(e, key, '{');
	emit_key_text(e, "path", side->path);
	emit_key_unsigned(e, "runs", side->runs);
	emit_key_real(e, "requests", side->requests, 3);
	emit_key_real(e, "seconds", side->seconds, 3);
	emit_key_text(e, "allocator", side->allocator);
	emit_close(e, '}');
}

static void put_figure(struct emit *e, const char *key, const struct figure *f)
{
	emit_key(e, key);
	emit_open(e, '{');
	emit_key_real(e, "value", f->value, 6);
	emit_key_real(e, "low", f->low, 6);
	emit_key_real(e, "high", f->high, 6);
	emit_close(e, '}');
}

static void put_subject(struct emit *e, const struct diff_row *row)
{
	const struct subject *s = row->subject;
	char print[FINGERPRINT_TEXT_MAX];

	switch (metric_kinds[row->what].scope) {
	case METRIC_OF_ENDPOINT:
		emit_key_text(e, "endpoint", s->name);
		break;
	case METRIC_OF_SITE:
		emit_key_text(e, "function", s->name);
		emit_key_text(e, "file", s->file);
		emit_key_unsigned(e, "line", s->line);
		emit_key_text(e, "module", s->module);
		emit_key_text(e, "fingerprint",
			      fingerprint_text(print, s->key));
		break;
	default:
		break;
	}
}

static void put_row(struct emit *e, const struct diff *d,
		    const struct diff_row *row)
{
	const struct metric_kind *kind = &metric_kinds[row->what];

	emit_line(e);
	emit_open(e, '{');
	emit_key_text(e, "figure", kind->name);
	emit_key_text(e, "unit", amount_unit_name(kind->unit));
	emit_key_text(e, "per",
		      !kind->flows     ? NULL
		      : d->per_request ? "request"
				       : "second");
	put_subject(e, row);
	put_figure(e, "base", &row->base);
	put_figure(e, "new", &row->new);
	put_figure(e, "change", &row->change);
	emit_key_real(e, "relative", diff_relative(row), 6);
	emit_key_text(e, "state", diff_state_name(row->state));
	emit_close(e, '}');
}

void diff_json_value(struct emit *e, const struct diff *d)
{
	static const char *const sections[] = { "server", "endpoints",
						"sites" };
	size_t i = 0;

	emit_open(e, '{');
	emit_key_unsigned(e, "schema", 1);
	put_side(e, "base", &d->base);
	put_side(e, "new", &d->new);
	emit_line(e);
	emit_key_text(e, "allocators", d->allocators);
	emit_key_text(e, "caution", d->caution);
	for (enum metric_scope s = 0; s < METRIC_SCOPES; s++) {
		json_section(e, sections[s], '[');
		for (; i < d->row_count &&
		       metric_kinds[d->rows[i].what].scope == s;
		     i++)
			/* Ten thousand sites that stand still say nothing. */
			if (s != METRIC_OF_SITE ||
			    d->rows[i].state != DIFF_SAME)
				put_row(e, d, &d->rows[i]);
		emit_close(e, ']');
	}
	emit_close(e, '}');
}

int diff_json(const struct diff *d, const struct diff_options *opt,
	      struct buf *out)
{
	struct emit e = { .out = out };

	(void)opt;
	diff_json_value(&e, d);
	buf_putc(out, '\n');
	return buf_status(out);
}
