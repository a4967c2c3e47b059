/*
 * ladder: see ladder.h.
 */
#include "profiler/analysis/ladder.h"

#include <math.h>

#define JUMP	    0.01 /* of the range: less is no jump */
#define STEPS	    5	 /* that must be in proportion */
#define ALIKE	    0.25 /* how far, as a share of a step's logarithm */
#define RATIO_MIN   1.08 /* what less looks like is a curve */
#define RATIO_MAX   2.5
#define STILL_GOING 0.65 /* at least: a table that is full may stop before */
#define ON_TIME	    0.9	 /* the next step, that is not to be seen yet */

/* Where the last STEPS jumps are, earliest first, and how many there were. */
static unsigned find_jumps(const struct points *p, const double *y,
			   size_t *where, double *share)
{
	double jumped = 0, moved = 0;
	unsigned count = 0;

	for (size_t i = 1; i < p->count; i++) {
		double step = y[i] - y[i - 1];

		moved += fabs(step);
		if (step < JUMP)
			continue;
		jumped += step;
		for (size_t j = 0; j + 1 < STEPS; j++)
			where[j] = where[j + 1];
		where[STEPS - 1] = i;
		count++;
	}
	*share = moved > 0 ? jumped / moved : 0;
	return count;
}

struct ladder ladder_of(const struct points *p, const double *y, double x0)
{
	size_t where[STEPS] = { 0 };
	double share, high, wide, due, base = p->y_base / p->y_scale;
	struct ladder l = { 0 };

	l.jumps = find_jumps(p, y, where, &share);
	/* Most points of a staircase stand on a stair. */
	if (share < 0.8 || l.jumps > p->count / 3)
		return (struct ladder) { 0 };
	l.last = p->x[where[STEPS - 1]];
	if (l.jumps < STEPS || y[where[0]] + base <= 0)
		return l;
	high = log((y[where[STEPS - 1]] + base) / (y[where[0]] + base));
	wide = log((p->x[where[STEPS - 1]] + x0) / (p->x[where[0]] + x0));
	l.ratio = exp(high / (STEPS - 1));
	due = fmax(STILL_GOING, ON_TIME / l.ratio) * (1 + x0);
	l.goes_on = fabs(high - wide) < ALIKE * high && l.ratio > RATIO_MIN &&
		    l.ratio < RATIO_MAX && l.last + x0 > due;
	for (size_t j = 1; j < STEPS; j++) {
		double step =
			log((y[where[j]] + base) / (y[where[j - 1]] + base));

		if (fabs(step * (STEPS - 1) - high) > ALIKE * high)
			l.goes_on = false;
	}
	return l;
}
