/*
 * outcome: see outcome.h.
 */
#include "reports/outcome.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "profiler/analysis/budget.h"
#include "profiler/analysis/diff.h"
#include "profiler/analysis/gate.h"
#include "profiler/base/buf.h"
#include "profiler/model/model.h"

void outcome_headline(struct buf *out, const struct gate *g)
{
	if (g->status == GATE_PASS)
		buf_puts(out, "PASS");
	else if (g->status == GATE_INCONCLUSIVE)
		buf_puts(out, "INCONCLUSIVE");
	else
		buf_printf(out, "FAIL: %s", gate_status_name(g->status));
}

const char *outcome_caution(const struct gate *g, unsigned n)
{
	if (g->model->torn && n-- == 0)
		return "The recording was cut short: its server did not end "
		       "in good order, or is still running. What is said "
		       "holds for the part that is there.";
	if (g->model->requests == 0 && n-- == 0)
		return "No requests were seen, so rates are by the second.";
	return NULL;
}

void outcome_check_name(struct buf *out, const struct check *c)
{
	const char *of = c->endpoint ? c->endpoint : c->budget->route;

	buf_puts(out, budget_kinds[c->budget->what].name);
	if (of)
		buf_printf(out, " of %s", of);
}

void outcome_row_name(struct buf *out, const struct diff *d,
		      const struct diff_row *row)
{
	const struct metric_kind *kind = &metric_kinds[row->what];

	buf_puts(out, kind->text);
	if (kind->flows)
		buf_puts(out, d->per_request ? " per request" : " per second");
	if (kind->scope != METRIC_OF_SERVER)
		buf_printf(out, " of %s", row->subject->name);
}

void outcome_row_share(struct buf *out, const struct diff_row *row)
{
	double share = 100 * diff_relative(row);

	if (row->state == DIFF_NEW || row->state == DIFF_GONE)
		buf_puts(out, diff_state_name(row->state));
	else if (fabs(share) < 1000)
		buf_printf(out, "%+.1f %%", share);
	else if (isfinite(share))
		buf_printf(out, "x %.4g", row->new.value / row->base.value);
	else if (isinf(share))
		buf_puts(out, "was none");
}

void outcome_row_text(struct buf *out, const struct diff_row *row)
{
	enum amount_unit unit = metric_kinds[row->what].unit;
	char base[AMOUNT_MAX], new[AMOUNT_MAX];

	buf_printf(out, "is %s, and was %s (",
		   amount_format(new, unit, row->new.value),
		   amount_format(base, unit, row->base.value));
	outcome_row_share(out, row);
	buf_putc(out, ')');
}

void outcome_side(struct buf *out, const struct diff *d, bool new)
{
	const struct diff_side *side = new ? &d->new : &d->base;

	buf_puts(out, side->path);
	if (side->runs > 1)
		buf_printf(out, " and %zu more run%s", side->runs - 1,
			   side->runs == 2 ? "" : "s");
}

const char *outcome_path(const char *file, const char *root, bool *below)
{
	size_t len = root ? strlen(root) : 0;

	while (len > 1 && root[len - 1] == '/')
		len--;
	while (strncmp(file, "./", 2) == 0)
		file += 2;
	*below = file[0] != '/' && strncmp(file, "../", 3) != 0;
	if (file[0] != '/' || len == 0 || strncmp(file, root, len) != 0)
		return file;
	if (root[len - 1] != '/' && file[len] != '/')
		return file;
	*below = true;
	file += len;
	return file + strspn(file, "/");
}
