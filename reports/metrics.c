/*
 * metrics: see metrics.h.
 */
#include "reports/metrics.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "profiler/base/intern.h"
#include "reports/emit.h"
#include "reports/utf8.h"

static const struct {
	const char *name, *suffix;
} types[] = {
	[METRICS_GAUGE] = { "gauge", "" },
	[METRICS_COUNTER] = { "counter", "_total" },
	[METRICS_INFO] = { "info", "_info" },
	[METRICS_SUMMARY] = { "summary", "" },
	[METRICS_STATESET] = { "stateset", "" },
};

int metrics_init(struct metrics *x, struct buf *out)
{
	*x = (struct metrics) { .out = out, .seen = intern_new() };
	return x->seen ? 0 : -ENOMEM;
}

int metrics_fini(struct metrics *x)
{
	buf_puts(x->out, "# EOF\n");
	x->out->failed |= x->labels.failed;
	buf_free(&x->labels);
	intern_free(x->seen);
	return buf_status(x->out);
}

void metrics_family(struct metrics *x, enum metrics_type type, const char *name,
		    const char *help)
{
	x->type = type;
	x->name = name;
	x->help = help;
	x->begun = false;
	buf_clear(&x->labels);
}

static void put_head(struct metrics *x)
{
	static const char *const units[] = { "bytes", "seconds", "ratio" };
	const char *last = strrchr(x->name, '_');

	if (x->begun)
		return;
	x->begun = true;
	buf_printf(x->out, "# TYPE %s %s\n", x->name, types[x->type].name);
	for (size_t i = 0; last && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(last + 1, units[i]) == 0)
			buf_printf(x->out, "# UNIT %s %s\n", x->name, units[i]);
	buf_printf(x->out, "# HELP %s %s\n", x->name, x->help);
}

void metrics_label(struct metrics *x, const char *name, const char *value)
{
	struct buf *to = &x->labels;
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

void metrics_label_count(struct metrics *x, const char *name, long value)
{
	buf_printf(&x->labels, "%s%s=\"%ld\"", x->labels.len ? "," : "", name,
		   value);
}

static void put_value(struct metrics *x, const char *suffix, double value)
{
	struct buf series = BUF_INIT;
	uint32_t before = intern_count(x->seen);
	struct emit number = { .out = x->out };

	if (!isfinite(value)) {
		buf_clear(&x->labels);
		return;
	}
	buf_printf(&series, "%s%s", x->name, suffix);
	if (x->labels.len)
		buf_printf(&series, "{%s}", x->labels.bytes);
	buf_clear(&x->labels);
	if (buf_status(&series) < 0 ||
	    intern_id(x->seen, series.bytes) == INTERN_NONE) {
		x->out->failed = true;
	} else if (intern_count(x->seen) > before) {
		put_head(x);
		buf_printf(x->out, "%s ", series.bytes);
		emit_real(&number, value, 6);
		buf_putc(x->out, '\n');
	}
	buf_free(&series);
}

void metrics_value(struct metrics *x, double value)
{
	put_value(x, types[x->type].suffix, value);
}

void metrics_count(struct metrics *x, double value)
{
	put_value(x, "_count", value);
}
