/*
 * fit: see fit.h.
 */
#include "profiler/analysis/fit.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define TERMS 4

/* A regression; the slope's column is the last, and so comes out alone. */
struct table {
	size_t rows, terms;
	double column[TERMS][SERIES_MAX], y[SERIES_MAX];
};

/* Prais and Winsten's: no row is lost, but the first where phi is 1. */
static void whiten(double *column, size_t rows, double phi)
{
	for (size_t i = rows - 1; i > 0; i--)
		column[i] -= phi * column[i - 1];
	column[0] *= sqrt(1 - phi * phi);
}

static double dot(const double *a, const double *b, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += a[i] * b[i];
	return sum;
}

/* Takes what @q, of square @square, explains out of @column. */
static double project(double *column, const double *q, double square,
		      size_t count)
{
	double share = square > 0 ? dot(column, q, count) / square : 0;

	for (size_t i = 0; i < count; i++)
		column[i] -= share * q[i];
	return share;
}

/*
 * Least squares by modified Gram-Schmidt.  A column that those before it make
 * up counts for nothing.
 */
static void solve(struct table *t, double phi, double searched, double floor,
		  struct fit *fit)
{
	double squares[TERMS], rows = (double)t->rows - (phi == 1);
	double before = 0, rank = 0, left;
	size_t last = t->terms - 1;

	whiten(t->y, t->rows, phi);
	for (size_t k = 0; k < t->terms; k++) {
		double whole;

		whiten(t->column[k], t->rows, phi);
		whole = dot(t->column[k], t->column[k], t->rows);
		for (size_t j = 0; j < k; j++)
			before = project(t->column[k], t->column[j], squares[j],
					 t->rows);
		squares[k] = dot(t->column[k], t->column[k], t->rows);
		if (squares[k] <= 1e-9 * whole)
			squares[k] = 0;
		rank += squares[k] > 0;
	}
	for (size_t k = 0; k < t->terms; k++) {
		fit->extra = fit->slope;
		fit->slope = project(t->y, t->column[k], squares[k], t->rows);
	}
	fit->extra -= before * fit->slope;
	left = fmax(dot(t->y, t->y, t->rows), rows * floor * floor);
	fit->score = rows * log(left / rows) + (rank + searched) * log(rows);
	fit->memory = left > 0 ? dot(t->y, t->y + 1, t->rows - 1) / left : 0;
	fit->deviation = sqrt(left / fmax(rows - rank - searched, 1));
	fit->error = squares[last] > 0 ? fit->deviation / sqrt(squares[last])
				       : INFINITY;
}

static double part(const struct fit *f, enum fit_shape shape, double x)
{
	switch (shape) {
	case FIT_STEP:
		return x < f->where ? -1 : 0;
	case FIT_BEND:
		return x < f->where ? x - f->where : 0;
	case FIT_LOG:
		return log1p(x / f->where);
	case FIT_ROOT:
		return sqrt(x);
	case FIT_DECAY:
		return -expm1(-x / f->where);
	default:
		return 0;
	}
}

static void add_column(struct table *t, const struct series *s,
		       const struct fit *f, enum fit_shape shape)
{
	for (size_t i = 0; i < s->count; i++)
		t->column[t->terms][i] = part(f, shape, s->x[i]);
	t->terms++;
}

static void fit_one(struct fit *fit, const struct series *s, double phi,
		    double floor)
{
	struct table t = { .rows = s->count, .terms = 1 };

	for (size_t i = 0; i < s->count; i++)
		t.column[0][i] = 1;
	memcpy(t.y, s->y, s->count * sizeof(t.y[0]));
	if (fit->shape == FIT_BREAK) {
		add_column(&t, s, fit, FIT_STEP);
		add_column(&t, s, fit, FIT_BEND);
	} else if (fit->shape != FIT_LINE) {
		add_column(&t, s, fit, fit->shape);
	}
	memcpy(t.column[t.terms++], s->x, s->count * sizeof(s->x[0]));
	solve(&t, phi, fit->shape == FIT_LINE ? 0 : 1, floor, fit);
}

#define TAIL_MIN  4  /* points on either side of a jump or bend */
#define POSITIONS 24 /* at most, of jumps and bends */

static void try(struct fits *out, const struct series *s, double phi,
		double floor, struct fit fit)
{
	struct fit *f = &out->at[out->count];

	*f = fit;
	fit_one(f, s, phi, floor);
	if (f->score < out->at[out->best].score)
		out->best = out->count;
	out->count++;
}

static void try_cuts(struct fits *out, const struct series *s, double phi,
		     double floor, size_t i)
{
	for (enum fit_shape shape = FIT_STEP; shape <= FIT_BREAK; shape++)
		try(out, s, phi, floor,
		    (struct fit) {
			    .shape = shape, .where = s->x[i], .index = i });
}

/* Between the positions that were tried, where the best one was. */
static void refine(struct fits *out, const struct series *s, double phi,
		   double floor, size_t step)
{
	const struct fit *best = NULL;
	size_t middle;

	for (size_t i = 0; i < out->count; i++) {
		const struct fit *f = &out->at[i];

		if (f->index > 0 && (!best || f->score < best->score))
			best = f;
	}
	middle = best->index;
	for (size_t i = middle - step + 1; i < middle + step; i++) {
		if (i != middle && i >= TAIL_MIN && i + TAIL_MIN <= s->count)
			try_cuts(out, s, phi, floor, i);
	}
}

void fit_shapes(struct fits *out, const struct series *s, double phi,
		double floor)
{
	static const double logs[] = { 0.0003, 0.001, 0.003, 0.01,
				       0.03,   0.1,   0.3 };
	static const double decays[] = { 0.01, 0.02, 0.04, 0.08, 0.15, 0.3 };
	size_t room = s->count > 2 * TAIL_MIN ? s->count - 2 * TAIL_MIN : 0;
	size_t step = 1 + room / POSITIONS;

	out->count = out->best = 0;
	try(out, s, phi, floor, (struct fit) { .shape = FIT_LINE });
	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++)
		try(out, s, phi, floor,
		    (struct fit) { .shape = FIT_LOG, .where = logs[i] });
	try(out, s, phi, floor, (struct fit) { .shape = FIT_ROOT });
	for (size_t i = 0; i < sizeof(decays) / sizeof(decays[0]); i++)
		try(out, s, phi, floor,
		    (struct fit) { .shape = FIT_DECAY, .where = decays[i] });
	for (size_t i = TAIL_MIN; i + TAIL_MIN <= s->count; i += step)
		try_cuts(out, s, phi, floor, i);
	if (step > 1)
		refine(out, s, phi, floor, step);
}

/* Sums over the points before one, to fit a line to any stretch at once. */
struct sums {
	double n, x, y, xx, xy, yy;
};

static struct sums between(const struct sums *from, const struct sums *to)
{
	return (struct sums) {
		to->n - from->n,   to->x - from->x,   to->y - from->y,
		to->xx - from->xx, to->xy - from->xy, to->yy - from->yy,
	};
}

/* What a line leaves of the squares of y, and that line. */
static double line_squares(struct sums s, double *slope, double *base)
{
	double xx = s.xx - s.x * s.x / s.n, xy = s.xy - s.x * s.y / s.n;

	*slope = xx > 0 ? xy / xx : 0;
	*base = (s.y - *slope * s.x) / s.n;
	return fmax(s.yy - s.y * s.y / s.n - *slope * xy, 0);
}

static void subtract_line(const struct series *s, size_t first, size_t last,
			  const struct sums *sums, double *out)
{
	double slope, base;

	line_squares(between(&sums[first], &sums[last]), &slope, &base);
	for (size_t i = first; i < last; i++)
		out[i] = s->y[i] - base - slope * s->x[i];
}

double fit_lines(const struct series *s, double *residuals)
{
	struct sums sums[SERIES_MAX + 1] = { 0 };
	double n = (double)s->count, best, slope, base;
	size_t cut = 0;

	for (size_t i = 0; i < s->count; i++) {
		double x = s->x[i], y = s->y[i];
		const struct sums *p = &sums[i];

		sums[i + 1] = (struct sums) { p->n + 1,	     p->x + x,
					      p->y + y,	     p->xx + x * x,
					      p->xy + x * y, p->yy + y * y };
	}
	best = line_squares(sums[s->count], &slope, &base);
	/* Schwarz: two more for the line, one for where it is. */
	best *= exp(-3 * log(n) / n);
	for (size_t i = TAIL_MIN; i + TAIL_MIN <= s->count; i++) {
		double both = line_squares(sums[i], &slope, &base) +
			      line_squares(between(&sums[i], &sums[s->count]),
					   &slope, &base);

		if (both < best) {
			best = both;
			cut = i;
		}
	}
	if (cut)
		subtract_line(s, 0, cut, sums, residuals);
	subtract_line(s, cut, s->count, sums, residuals);
	return cut ? 2 : 1;
}

struct memory fit_memory(const double *r, size_t count, double lines)
{
	double n = (double)count, each = fmax(n / lines, 6), phi = 0;
	double squares = dot(r, r, count - 1), walk = 0, left = 0;
	struct memory m;

	if (squares > 0)
		phi = dot(r, r + 1, count - 1) / squares;
	for (size_t i = 1; i < count; i++) {
		double as_walk = r[i] - r[i - 1],
		       as_found = r[i] - phi * r[i - 1];

		walk += as_walk * as_walk;
		left += as_found * as_found;
	}
	m.walk = left > 0 ? (n - 1) * log(walk / left) : 0;
	/* Around a line it comes out too low by (2 + 4 phi) / n. */
	phi = (phi + 2 / each) / (1 - 4 / each);
	m.phi = phi < 0 ? 0 : phi > 1 ? 1 : phi;
	m.error = sqrt((1 - m.phi * m.phi) / n);
	return m;
}

double fit_slope_error(const struct series *s, const double *residuals,
		       double phi, double floor)
{
	double n = (double)s->count, middle = 0, squares = 0, noise = 0;
	double behind = 0, sum = 0;

	for (size_t i = 0; i < s->count; i++)
		middle += s->x[i] / n;
	for (size_t i = 0; i < s->count; i++)
		squares += (s->x[i] - middle) * (s->x[i] - middle);
	for (size_t i = 1; i < s->count; i++) {
		double e = residuals[i] - phi * residuals[i - 1];

		noise += e * e / (n - 3);
	}
	noise = fmax(noise, floor * floor);
	/* Each innovation moves all that follow, by phi less each time. */
	for (size_t i = s->count; i-- > (phi == 1);) {
		double own = behind =
			(s->x[i] - middle) / squares + phi * behind;

		if (i == 0)
			own /= sqrt(1 - phi * phi);
		sum += own * own;
	}
	return sqrt(noise * sum);
}
