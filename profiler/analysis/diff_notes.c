/*
 * diff_notes: see diff_notes.h.
 */
#include "profiler/analysis/diff_notes.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "profiler/analysis/diff.h"

/* Levels of runs whose requests differ by more than this are no match. */
#define LOAD_RATIO_MAX 1.5

/* Levels depend on how much was served; say so where that differs. */
static int caution(struct diff *d)
{
	double a = d->per_request ? d->base.requests : d->base.seconds;
	double b = d->per_request ? d->new.requests : d->new.seconds;
	int rc;

	if (a <= b * LOAD_RATIO_MAX && b <= a * LOAD_RATIO_MAX)
		return 0;
	if (d->per_request)
		rc = asprintf(&d->caution,
			      "the new run served %.0f requests and the base "
			      "%.0f, so levels such as RSS are not like for "
			      "like, and fail nothing",
			      b, a);
	else
		rc = asprintf(&d->caution,
			      "the new run took %.0f s and the base %.0f s, so "
			      "levels such as RSS are not like for like, and "
			      "fail nothing",
			      b, a);
	if (rc < 0)
		d->caution = NULL;
	return rc < 0 ? -ENOMEM : 0;
}

static const struct diff_row *find_row(const struct diff *d,
				       enum metric_what what)
{
	for (size_t i = 0; i < d->row_count; i++)
		if (d->rows[i].what == what && !isnan(d->rows[i].change.value))
			return &d->rows[i];
	return NULL;
}

/* The p95 of the endpoint that serves most. */
static const struct diff_row *busiest_p95(const struct diff *d)
{
	const struct diff_row *busiest = NULL, *row;

	for (row = d->rows; row < d->rows + d->row_count; row++)
		if (row->what == METRIC_THROUGHPUT &&
		    (!busiest || row->new.value > busiest->new.value))
			busiest = row;
	for (row = d->rows; busiest && row < d->rows + d->row_count; row++)
		if (row->what == METRIC_P95 &&
		    row->subject == busiest->subject &&
		    !isnan(row->change.value))
			return row;
	return NULL;
}

/* "; CPU time +2.0 %, p95 of POST /chat +1.2 ms" */
static void put_price(char *out, size_t room, const struct diff *d)
{
	const struct diff_row *cpu = find_row(d, METRIC_CPU);
	const struct diff_row *p95 = busiest_p95(d);
	char text[AMOUNT_MAX];
	size_t len = 0;

	out[0] = '\0';
	if (cpu && cpu->base.value > 0)
		len = (size_t)snprintf(out, room, "; CPU time %+.1f %%",
				       100 * diff_relative(cpu));
	if (p95 && len < room)
		snprintf(out + len, room - len, "%s p95 of %.80s %s",
			 len ? "," : ";", p95->subject->name,
			 amount_format_change(text, AMOUNT_MS,
					      p95->change.value));
}

static int allocators(struct diff *d)
{
	const struct diff_row *row = find_row(d, METRIC_BEYOND_LIVE);
	char less[AMOUNT_MAX], price[240];
	bool new_less;
	int rc;

	if (!d->base.allocator[0] || !d->new.allocator[0] ||
	    strcmp(d->base.allocator, d->new.allocator) == 0)
		return 0;
	if (!row)
		row = find_row(d, METRIC_RSS_END);
	if (!row)
		return 0;
	new_less = row->change.value < 0;
	amount_format(less, AMOUNT_BYTES, fabs(row->change.value));
	put_price(price, sizeof(price), d);
	if (row->state == DIFF_SAME)
		rc = asprintf(
			&d->allocators,
			"%s and %s keep as much memory: the difference of "
			"%s is within the noise%s",
			d->base.allocator, d->new.allocator, less, price);
	else
		rc = asprintf(&d->allocators,
			      "%s returns more memory than %s: %s less is kept "
			      "beyond the live heap at the end; going from %s "
			      "to %s costs%s",
			      new_less ? d->new.allocator : d->base.allocator,
			      new_less ? d->base.allocator : d->new.allocator,
			      less, d->base.allocator, d->new.allocator,
			      price[0] ? price + 1 : " nothing known");
	if (rc < 0)
		d->allocators = NULL;
	return rc < 0 ? -ENOMEM : 0;
}

int diff_notes(struct diff *d)
{
	int rc = caution(d);

	return rc < 0 ? rc : allocators(d);
}
