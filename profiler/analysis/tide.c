/*
 * tide: see tide.h.
 */
#include "profiler/analysis/tide.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profiler/analysis/axis.h"
#include "profiler/base/vec.h"
#include "profiler/model/model.h"

#define READ_COLUMNS TIDE_LIVE /* those before it are read from /proc */
#define STALE_TICKS  3	       /* without a reading: the process is gone */

struct process { /* the latest that was read of it */
	int32_t pid;
	double t;
	double value[READ_COLUMNS]; /* NAN: not yet */
};

struct reading {
	VEC(struct process) processes;
	double interval; /* between readings of one process, seconds */
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
	p->t = NAN;
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
	if (at->t - p->t > r->interval)
		r->interval = at->t - p->t;
	p->t = at->t;
	return 0;
}

static void put(const struct reading *r, struct tide *tide, uint32_t i,
		double t)
{
	const struct process *p;

	for (int c = 0; c < READ_COLUMNS; c++) {
		double sum = 0;
		unsigned count = 0;

		vec_foreach (&r->processes, p) {
			if (t - p->t > STALE_TICKS * r->interval ||
			    isnan(p->value[c]))
				continue;
			sum += p->value[c];
			count++;
		}
		tide->column[c][i] = count ? sum : NAN;
	}
}

static double retained(const struct tide *t, uint32_t i)
{
	double self = t->column[TIDE_SELF][i], rest;

	rest = t->column[TIDE_PRIVATE][i] - t->column[TIDE_LIVE][i] -
	       t->column[TIDE_MAPPED][i] - (isnan(self) ? 0 : self);
	return rest < 0 ? 0 : rest; /* NAN stays NAN */
}

static int fill(struct tide *tide, const struct model *m, const struct axis *a)
{
	struct reading r = { VEC_INIT, 0 };
	uint32_t next = 0;
	int rc = 0;

	for (uint32_t i = 0; i < a->count && rc == 0; i++) {
		uint32_t w = a->first + i;

		while (next < m->ledger_count && m->ledger[next].t <= a->t[i] &&
		       rc == 0)
			rc = take(&r, &m->ledger[next++]);
		put(&r, tide, i, a->t[i]);
		tide->column[TIDE_LIVE][i] =
			w ? m->windows[w - 1].live_bytes : 0;
		tide->column[TIDE_MAPPED][i] =
			w ? m->windows[w - 1].mapped_bytes : 0;
		tide->column[TIDE_RETAINED][i] = retained(tide, i);
	}
	vec_free(&r.processes);
	return rc;
}

int tide_init(struct tide *t, const struct model *m, const struct axis *a)
{
	int rc = 0;

	for (int c = 0; c < TIDE_COLUMNS; c++) {
		t->column[c] =
			calloc((size_t)a->count + 1, sizeof(*t->column[c]));
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
	for (int c = 0; c < TIDE_COLUMNS; c++) {
		free(t->column[c]);
		t->column[c] = NULL;
	}
}
