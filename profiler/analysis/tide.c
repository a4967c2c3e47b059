/*
 * tide: see tide.h.
 */
#include "profiler/analysis/tide.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "profiler/analysis/axis.h"
#include "profiler/base/vec.h"
#include "profiler/model/model.h"

#define READ_COLUMNS TIDE_LIVE /* those before it are read from /proc */
#define STALE_TICKS  3	       /* without a reading: the process is gone */

struct process { /* the latest that was read of it */
	int32_t pid;
	double t, parts_t;	    /* of the parts of RSS: read seldom */
	double value[READ_COLUMNS]; /* NAN: not yet */
};

/* What of RSS was private when all parts of it were read. */
struct anchor {
	double t, less; /* private less RSS */
};

struct reading {
	VEC(struct process) processes;
	VEC(struct anchor) anchors;
	double interval; /* between readings of one process, seconds */
	double round;	 /* when this one began; infinite: not yet */
};

static double seen(uint64_t value)
{
	return value == UINT64_MAX ? NAN : (double)value;
}

static struct process *process_of(struct reading *r, int32_t pid)
{
	struct process *p;

	vec_foreach (&r->processes, p)
		if (p->pid == pid)
			return p;
	p = vec_push(&r->processes);
	if (!p)
		return NULL;
	p->pid = pid;
	p->t = p->parts_t = NAN;
	for (int c = 0; c < READ_COLUMNS; c++)
		p->value[c] = NAN;
	return p;
}

static int take(struct reading *r, const struct model_ledger_point *at)
{
	struct process *p = process_of(r, at->pid);
	const double now[READ_COLUMNS] = {
		[TIDE_RSS] = seen(at->rss),
		[TIDE_PRIVATE] = seen(at->heap) + seen(at->anonymous),
		[TIDE_FILE] = seen(at->file),
		[TIDE_STACKS] = seen(at->stacks),
		[TIDE_SELF] = seen(at->self),
		[TIDE_THREADS] = seen(at->threads),
		[TIDE_FDS] = seen(at->fds),
	};

	if (!p)
		return -ENOMEM;
	/* Parts are read seldom: what was last seen still stands. */
	for (int c = 0; c < READ_COLUMNS; c++)
		if (!isnan(now[c]))
			p->value[c] = now[c];
	if (!isnan(now[TIDE_PRIVATE]))
		p->parts_t = at->t;
	if (at->t - p->t > r->interval)
		r->interval = at->t - p->t;
	p->t = at->t;
	return 0;
}

static bool is_stale(const struct reading *r, const struct process *p, double t)
{
	return t - p->t > STALE_TICKS * r->interval;
}

static void put(const struct reading *r, struct tide *tide, uint32_t i,
		double t)
{
	const struct process *p;

	for (int c = 0; c < READ_COLUMNS; c++) {
		double sum = 0;
		unsigned count = 0;

		vec_foreach (&r->processes, p) {
			if (is_stale(r, p, t) || isnan(p->value[c]))
				continue;
			sum += p->value[c];
			count++;
		}
		tide->column[c][i] = count ? sum : NAN;
	}
}

/* A round has ended at @t; were the parts of all read in it? */
static int note_anchor(struct reading *r, double t)
{
	const struct process *p;
	struct anchor *anchor;
	double less = 0;

	vec_foreach (&r->processes, p) {
		if (is_stale(r, p, t))
			continue;
		if (!(p->parts_t >= r->round))
			return 0;
		less += p->value[TIDE_PRIVATE] - p->value[TIDE_RSS];
	}
	anchor = vec_push(&r->anchors);
	if (!anchor)
		return -ENOMEM;
	*anchor = (struct anchor) { t, less };
	return 0;
}

/* Private less RSS at @t; @i is where to begin to look, and moves on. */
static double less_at(const struct reading *r, double t, size_t *i)
{
	const struct anchor *a = r->anchors.at;

	if (!r->anchors.count)
		return NAN;
	while (*i + 1 < r->anchors.count && a[*i + 1].t <= t)
		(*i)++;
	a += *i;
	if (t <= a->t || *i + 1 == r->anchors.count)
		return a->less;
	return a->less + (a[1].less - a->less) * (t - a->t) / (a[1].t - a->t);
}

static double retained(const struct tide *t, uint32_t i)
{
	double self = t->column[TIDE_SELF][i], rest;

	rest = t->column[TIDE_PRIVATE][i] - t->column[TIDE_LIVE][i] -
	       t->column[TIDE_MAPPED][i] - (isnan(self) ? 0 : self);
	return rest < 0 ? 0 : rest; /* NAN stays NAN */
}

/* Between @from, where window @i of @a begins, and @to, where the next does. */
static double between(const struct axis *a, uint32_t i, double t, double from,
		      double to)
{
	return from + (to - from) * (t - a->t[i]) / (a->t[i + 1] - a->t[i]);
}

/* What the windows say of the moment @t, which is in window @i of @a. */
static void put_windows(struct tide *tide, const struct model *m,
			const struct axis *a, uint32_t i, double t)
{
	const struct model_window none = { 0 }, *now;
	const struct model_window *before;
	uint32_t w = a->first + i, k = tide->count;

	now = &m->windows[w];
	before = w ? now - 1 : &none;
	tide->t[k] = t;
	tide->x[k] = between(a, i, t, a->x[i], a->x[i + 1]);
	tide->column[TIDE_LIVE][k] =
		between(a, i, t, before->live_bytes, now->live_bytes);
	tide->column[TIDE_MAPPED][k] =
		between(a, i, t, before->mapped_bytes, now->mapped_bytes);
}

/* RSS is read each time, its parts seldom: what lies between is told by it. */
static void put_private(struct tide *tide, const struct reading *r)
{
	size_t anchor = 0;

	for (uint32_t k = 0; k < tide->count; k++) {
		tide->column[TIDE_PRIVATE][k] = tide->column[TIDE_RSS][k] +
						less_at(r, tide->t[k], &anchor);
		tide->column[TIDE_RETAINED][k] = retained(tide, k);
	}
}

/* All processes are read one after the other: does @next begin a new round? */
static bool is_round(const struct reading *r, const struct model *m,
		     uint32_t next)
{
	const struct process *p;

	if (next == m->ledger_count)
		return true;
	vec_foreach (&r->processes, p)
		if (p->pid == m->ledger[next].pid)
			return p->t >= r->round;
	return false;
}

static int fill(struct tide *tide, const struct model *m, const struct axis *a)
{
	double apart = a->count ? a->seconds / a->count / 2 : 0,
	       last = -INFINITY;
	struct reading r = { .round = INFINITY };
	uint32_t i = 0;
	int rc = 0;

	for (uint32_t n = 0; n < m->ledger_count && rc == 0; n++) {
		double t = m->ledger[n].t;

		if (isinf(r.round))
			r.round = t;
		rc = take(&r, &m->ledger[n]);
		if (rc < 0 || !is_round(&r, m, n + 1))
			continue;
		rc = note_anchor(&r, t);
		r.round = INFINITY;
		while (i + 1 < a->count && a->t[i + 1] <= t)
			i++;
		if (i + 1 >= a->count || t < a->t[i] || t - last < apart)
			continue;
		last = t;
		put(&r, tide, tide->count, t);
		put_windows(tide, m, a, i, t);
		tide->count++;
	}
	put_private(tide, &r);
	vec_free(&r.processes);
	vec_free(&r.anchors);
	return rc;
}

int tide_init(struct tide *t, const struct model *m, const struct axis *a)
{
	size_t most = 2 * (size_t)a->count + 2; /* moments are half a window */
	int rc = 0;

	t->count = 0;
	t->x = calloc(most, sizeof(*t->x));
	t->t = calloc(most, sizeof(*t->t));
	if (!t->x || !t->t)
		rc = -ENOMEM;
	for (int c = 0; c < TIDE_COLUMNS; c++) {
		t->column[c] = calloc(most, sizeof(*t->column[c]));
		if (!t->column[c])
			rc = -ENOMEM;
	}
	if (rc == 0)
		rc = fill(t, m, a);
	if (rc < 0)
		tide_fini(t);
	return rc;
}

void tide_fini(struct tide *t)
{
	free(t->x);
	free(t->t);
	t->x = t->t = NULL;
	for (int c = 0; c < TIDE_COLUMNS; c++) {
		free(t->column[c]);
		t->column[c] = NULL;
	}
}
