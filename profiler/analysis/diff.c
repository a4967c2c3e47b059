/*
 * diff: see diff.h.  Runs of a side are gathered by subject and kind of
 * figure, then reduced to a centre and its error, then compared.
 */
#include "profiler/analysis/diff.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/analysis/diff_notes.h"
#include "profiler/analysis/side.h"
#include "profiler/base/err.h"
#include "profiler/base/hash.h"

/* A change below this share of the base matters to nobody. */
#define SHARE_THAT_MATTERS 0.01
#define CERTAINTY	   0.975 /* two-sided 95 % */
/*
 * The median absolute deviation of normal values is about as sure as the
 * standard deviation of half as many: with this, equal programs of 2 to 10
 * runs a side differ in 2 to 5 % of comparisons; with 1 in up to 12 %.
 */
#define DF_PER_RUN 0.5

struct cell { /* one figure of one subject, of all runs */
	enum metric_what what;
	const struct subject *subject;
	struct side base, new;
};

struct table {
	VEC(struct cell) cells;
	struct hash *index; /* subject and kind -> cell */
	bool per_request;
};

static double divisor(const struct table *t, const struct measure *m)
{
	double by = t->per_request ? m->requests : m->seconds;

	return by > 0 ? by : 1;
}

static struct cell *cell_of(struct table *t, const struct subject *s,
			    enum metric_what what)
{
	uint64_t key = hash_mix(s->key ^ (uint64_t)(what + 1) << 56);
	uint64_t *at = hash_find(t->index, key);
	struct cell *cell;

	if (at)
		return &t->cells.at[*at];
	cell = vec_push(&t->cells);
	if (!cell || hash_set(t->index, key, t->cells.count - 1) < 0)
		return NULL;
	cell->what = what;
	cell->subject = s;
	return cell;
}

static int gather(struct table *t, const struct measure *m, bool is_new)
{
	const struct metric *metric;

	vec_foreach (&m->metrics, metric) {
		const struct metric_kind *kind = &metric_kinds[metric->what];
		double by = kind->flows ? divisor(t, m) : 1;
		struct cell *cell;

		cell = cell_of(t, &m->subjects.at[metric->subject],
			       metric->what);
		if (!cell || side_add(is_new ? &cell->new : &cell->base,
				      metric->value / by,
				      metric->variance / (by * by)) < 0)
			return -ENOMEM;
		if (is_new) /* its lines are those of today */
			cell->subject = &m->subjects.at[metric->subject];
	}
	return 0;
}

/* A site that a run lacks held nothing there, as far as its samples tell. */
static int fill_sites(const struct table *t, struct side *side,
		      enum metric_what what, const struct measure *const *runs,
		      size_t count)
{
	double bytes = count ? runs[0]->sample_bytes : 0, by;

	while (side->count < count) {
		by = metric_kinds[what].flows ? divisor(t, runs[0]) : 1;
		if (side_add(side, 0, bytes * bytes / (by * by)) < 0)
			return -ENOMEM;
	}
	return 0;
}

static enum diff_state state_of(const struct metric_kind *kind,
				const struct diff_row *row)
{
	double least = fabs(row->base.value) * SHARE_THAT_MATTERS;
	bool up;

	if (isnan(row->base.value))
		return DIFF_NEW;
	if (isnan(row->new.value))
		return DIFF_GONE;
	if (fabs(row->change.value) < fmax(least, kind->matters) ||
	    (row->change.low <= 0 && row->change.high >= 0))
		return DIFF_SAME;
	up = row->change.value > 0;
	return up == kind->more_is_better ? DIFF_BETTER : DIFF_WORSE;
}

static void compare(struct diff_row *row, const struct cell *cell)
{
	double noise = metric_kinds[cell->what].noise, half, df;
	struct side_summary base, new;

	side_summarise(&base, &cell->base, &cell->new, noise);
	side_summarise(&new, &cell->new, &cell->base, noise);
	df = DF_PER_RUN * ((double)(base.runs + new.runs) - 2);
	half = df > 0 ? estimate_t_quantile(CERTAINTY, df)
		      : estimate_normal_quantile(CERTAINTY);
	row->what = cell->what;
	row->subject = cell->subject;
	row->base = side_figure(&base, half);
	row->new = side_figure(&new, half);
	half *= sqrt(base.variance + new.variance);
	row->change.value = new.centre - base.centre;
	row->change.low = row->change.value - half;
	row->change.high = row->change.value + half;
	row->state = state_of(&metric_kinds[cell->what], row);
}

static int by_place(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;
	enum metric_scope s = metric_kinds[x->what].scope;
	double dx = fabs(x->change.value), dy = fabs(y->change.value);
	int order;

	if (s != metric_kinds[y->what].scope)
		return s < metric_kinds[y->what].scope ? -1 : 1;
	if (s == METRIC_OF_SITE && x->what != y->what)
		return (int)x->what - (int)y->what;
	if (s == METRIC_OF_SITE && dx != dy)
		return dx > dy ? -1 : 1;
	order = strcmp(x->subject->name, y->subject->name);
	if (order == 0)
		order = (x->subject->key > y->subject->key) -
			(x->subject->key < y->subject->key);
	return order ? order : (int)x->what - (int)y->what;
}

static int make_rows(struct diff *d, struct table *t,
		     const struct measure *const *base, size_t base_count,
		     const struct measure *const *new, size_t new_count)
{
	struct cell *cell;
	int rc = 0;

	d->rows = calloc(t->cells.count + 1, sizeof(*d->rows));
	if (!d->rows)
		return -ENOMEM;
	vec_foreach (&t->cells, cell) {
		if (metric_kinds[cell->what].scope == METRIC_OF_SITE) {
			rc = fill_sites(t, &cell->base, cell->what, base,
					base_count);
			if (rc == 0)
				rc = fill_sites(t, &cell->new, cell->what, new,
						new_count);
			if (rc < 0)
				return rc;
		}
		compare(&d->rows[d->row_count++], cell);
	}
	qsort(d->rows, d->row_count, sizeof(*d->rows), by_place);
	return 0;
}

static double median_of(const struct measure *const *runs, size_t count,
			size_t offset)
{
	struct side side = { 0 };
	struct side_summary s;

	for (size_t i = 0; i < count; i++)
		if (side_add(&side,
			     *(const double *)((const char *)runs[i] + offset),
			     0) < 0)
			break;
	side_summarise(&s, &side, &side, 0);
	side_free(&side);
	return s.centre;
}

static void describe(struct diff_side *side, const struct measure *const *runs,
		     size_t count)
{
	const struct measure *newest = runs[0];

	for (size_t i = 1; i < count; i++)
		if (runs[i]->start_unix_ns > newest->start_unix_ns)
			newest = runs[i];
	side->path = newest->path;
	side->allocator = newest->allocator;
	side->runs = count;
	side->requests =
		median_of(runs, count, offsetof(struct measure, requests));
	side->seconds =
		median_of(runs, count, offsetof(struct measure, seconds));
}

/* An imported profile does not say whose it is. */
static bool differ(const struct measure *a, const struct measure *b)
{
	return a->program[0] && b->program[0] &&
	       strcmp(a->program, b->program) != 0;
}

static int one_program(const struct measure *const *base, size_t base_count,
		       const struct measure *const *new, size_t new_count,
		       struct err *err)
{
	for (size_t i = 0; i < base_count; i++)
		for (size_t k = 0; k < new_count; k++)
			if (differ(base[i], new[k]))
				return err_set(err, -EINVAL,
					       "%s is a recording of '%.80s' "
					       "and %s one of '%.80s'; only "
					       "runs of one program can be "
					       "compared",
					       base[i]->path, base[i]->program,
					       new[k]->path, new[k]->program);
	return 0;
}

static bool all_served(const struct measure *const *runs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!(runs[i]->requests > 0))
			return false;
	return true;
}

static void table_free(struct table *t)
{
	struct cell *cell;

	vec_foreach (&t->cells, cell) {
		side_free(&cell->base);
		side_free(&cell->new);
	}
	vec_free(&t->cells);
	hash_free(t->index);
}

int diff_of(struct diff **out, const struct measure *const *base,
	    size_t base_count, const struct measure *const *new,
	    size_t new_count, struct err *err)
{
	struct table t = { .index = hash_new() };
	struct diff *d = calloc(1, sizeof(*d));
	int rc = one_program(base, base_count, new, new_count, err);

	*out = NULL;
	if (rc < 0)
		goto free_diff;
	t.per_request =
		all_served(base, base_count) && all_served(new, new_count);
	rc = d && t.index ? 0 : -ENOMEM;
	for (size_t i = 0; rc == 0 && i < base_count; i++)
		rc = gather(&t, base[i], false);
	for (size_t i = 0; rc == 0 && i < new_count; i++)
		rc = gather(&t, new[i], true);
	if (rc == 0) {
		d->per_request = t.per_request;
		describe(&d->base, base, base_count);
		describe(&d->new, new, new_count);
		rc = make_rows(d, &t, base, base_count, new, new_count);
	}
	if (rc == 0)
		rc = diff_notes(d);
	if (rc < 0) {
		err_set(err, rc, "out of memory");
		goto free_diff;
	}
	*out = d;
	d = NULL;
free_diff:
	diff_free(d);
	table_free(&t);
	return rc;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	free(d->rows);
	free(d->allocators);
	free(d->caution);
	free(d);
}

double diff_relative(const struct diff_row *row)
{
	if (row->base.value == 0)
		return row->change.value == 0 ? 0 : INFINITY;
	return row->change.value / fabs(row->base.value);
}

/* What a different amount of served requests moves by itself. */
static bool is_level(enum metric_what what)
{
	return what == METRIC_RSS_PEAK || what == METRIC_LIVE_PEAK ||
	       what == METRIC_THREADS || what == METRIC_FDS;
}

bool diff_exceeds(const struct diff *d, const struct diff_row *row,
		  double tolerance)
{
	const struct metric_kind *kind = &metric_kinds[row->what];
	double allowed = tolerance * fabs(row->base.value);

	if (row->state != DIFF_WORSE || !kind->gates ||
	    (d->caution && is_level(row->what)))
		return false;
	return kind->more_is_better ? row->change.high < -allowed
				    : row->change.low > allowed;
}

const char *diff_state_name(enum diff_state state)
{
	static const char *const names[] = { "same", "better", "worse", "new",
					     "gone" };

	return names[state];
}
