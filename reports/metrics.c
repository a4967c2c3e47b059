/*
 * metrics: see metrics.h.
 */
#include "reports/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/base/intern.h"
#include "reports/emit.h"
#include "reports/utf8.h"

/* What the older format does not know is a gauge there. */
static const struct {
	const char *name, *older, *suffix;
} types[] = {
	[METRICS_GAUGE] = { "gauge", "gauge", "" },
	[METRICS_COUNTER] = { "counter", "counter", "_total" },
	[METRICS_INFO] = { "info", "gauge", "_info" },
	[METRICS_SUMMARY] = { "summary", "summary", "" },
	[METRICS_STATESET] = { "stateset", "gauge", "" },
	[METRICS_HISTOGRAM] = { "histogram", "histogram", "" },
};

int metrics_init(struct metrics *x, struct buf *out,
		 enum metrics_dialect dialect)
{
	*x = (struct metrics) {
		.out = out,
		.dialect = dialect,
		.seen = intern_new(),
	};
	x->out->failed |= !x->seen;
	return x->seen ? 0 : -ENOMEM;
}

int metrics_fini(struct metrics *x)
{
	struct metrics_family *f;

	vec_foreach (&x->families, f) {
		if (f->text.len)
			buf_write(x->out, f->text.bytes, f->text.len);
		x->out->failed |= f->text.failed;
		buf_free(&f->text);
	}
	if (x->dialect == METRICS_OPENMETRICS)
		buf_puts(x->out, "# EOF\n");
	x->out->failed |= x->labels.failed || x->common.failed;
	vec_free(&x->families);
	buf_free(&x->labels);
	buf_free(&x->common);
	intern_free(x->seen);
	return buf_status(x->out);
}

void metrics_family(struct metrics *x, enum metrics_type type, const char *name,
		    const char *help)
{
	struct metrics_family *f;

	buf_clear(&x->labels);
	vec_foreach (&x->families, f) {
		x->current = (size_t)(f - x->families.at);
		if (strcmp(f->name, name) == 0)
			return;
	}
	f = vec_push(&x->families);
	if (!f) {
		x->out->failed = true;
		return;
	}
	*f = (struct metrics_family) { type, name, help, BUF_INIT };
	x->current = x->families.count - 1;
}

static void put_head(const struct metrics *x, struct metrics_family *f)
{
	static const char *const units[] = { "bytes", "seconds", "ratio" };
	bool older = x->dialect == METRICS_PROMETHEUS;
	const char *last = strrchr(f->name, '_');
	const char *suffix = older ? types[f->type].suffix : "";

	if (f->text.len)
		return;
	buf_printf(&f->text, "# TYPE %s%s %s\n", f->name, suffix,
		   older ? types[f->type].older : types[f->type].name);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (last && !older && strcmp(last + 1, units[i]) == 0)
			buf_printf(&f->text, "# UNIT %s %s\n", f->name,
				   units[i]);
	buf_printf(&f->text, "# HELP %s%s %s\n", f->name, suffix, f->help);
}

static void put_label(struct buf *to, const char *name, const char *value)
{
	uint32_t c;

	if (!value)
		return;
	buf_printf(to, "%s%s=\"", to->len ? "," : "", name);
	while (*value) {
		value += utf8_next(value, &c);
		if (c == '"' || c == '\\')
			buf_putc(to, '\\');
		utf8_put(to, utf8_is_control(c) ? '_' : c);
	}
	buf_putc(to, '"');
}

void metrics_common(struct metrics *x, const char *name, const char *value)
{
	buf_clear(&x->common);
	if (name)
		put_label(&x->common, name, value);
}

void metrics_label(struct metrics *x, const char *name, const char *value)
{
	put_label(&x->labels, name, value);
}

void metrics_label_count(struct metrics *x, const char *name, long value)
{
	buf_printf(&x->labels, "%s%s=\"%ld\"", x->labels.len ? "," : "", name,
		   value);
}

static void put_part(struct buf *out, const struct buf *labels)
{
	if (labels->len)
		buf_printf(out, "%s%s", out->len ? "," : "", labels->bytes);
}

/* "name_sum{...}" of the current family, @last being a label of its own. */
static void put_series(struct metrics *x, const char *suffix, const char *last,
		       struct buf *series)
{
	struct buf labels = BUF_INIT;

	put_part(&labels, &x->common);
	put_part(&labels, &x->labels);
	if (last)
		buf_printf(&labels, "%s%s", labels.len ? "," : "", last);
	buf_printf(series, "%s%s", x->families.at[x->current].name, suffix);
	if (labels.len)
		buf_printf(series, "{%s}", labels.bytes);
	series->failed |= labels.failed;
	buf_free(&labels);
}

static void put_value(struct metrics *x, const char *suffix, const char *last,
		      double value)
{
	struct metrics_family *f;
	struct buf series = BUF_INIT;
	struct emit number;
	uint32_t before;

	if (!isfinite(value) || x->out->failed)
		return;
	f = &x->families.at[x->current];
	before = intern_count(x->seen);
	put_series(x, suffix, last, &series);
	if (buf_status(&series) < 0 ||
	    intern_id(x->seen, series.bytes) == INTERN_NONE) {
		x->out->failed = true;
	} else if (intern_count(x->seen) > before) {
		put_head(x, f);
		buf_printf(&f->text, "%s ", series.bytes);
		number = (struct emit) { .out = &f->text };
		emit_real(&number, value, 6);
		buf_putc(&f->text, '\n');
	}
	buf_free(&series);
}

void metrics_value(struct metrics *x, double value)
{
	if (x->families.count)
		put_value(x, types[x->families.at[x->current].type].suffix,
			  NULL, value);
	buf_clear(&x->labels);
}

void metrics_count(struct metrics *x, double value)
{
	put_value(x, "_count", NULL, value);
	buf_clear(&x->labels);
}

/* In both formats as OpenMetrics wants a bound: "0.25", "10.0". */
static void put_bucket(struct metrics *x, double bound, double count)
{
	char le[48];

	if (isinf(bound))
		snprintf(le, sizeof(le), "le=\"+Inf\"");
	else if (bound == floor(bound))
		snprintf(le, sizeof(le), "le=\"%.1f\"", bound);
	else
		snprintf(le, sizeof(le), "le=\"%g\"", bound);
	put_value(x, "_bucket", le, count);
}

void metrics_histogram(struct metrics *x, const struct metrics_histogram *h)
{
	for (size_t i = 0; i < h->bound_count; i++)
		put_bucket(x, h->bounds[i], (double)h->within[i]);
	put_bucket(x, INFINITY, (double)h->count);
	put_value(x, "_sum", NULL, h->sum);
	put_value(x, "_count", NULL, (double)h->count);
	buf_clear(&x->labels);
}
