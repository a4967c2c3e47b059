/*
 * Series whose truth is known: what a site of a server under load holds, a
 * point a second, against completed requests.  Seeded; equal seeds give equal
 * series.
 */
#ifndef TESTS_UNIT_FIXTURE_SERIES_H
#define TESTS_UNIT_FIXTURE_SERIES_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "profiler/analysis/trend.h"
#include "tests/unit/random.h"

#define SERIES_POINTS 600
#define LEVEL	      1e6 /* bytes: what shapes rise to, noise is a share of */

struct run {
	size_t count;
	double x[SERIES_POINTS], y[SERIES_POINTS], t[SERIES_POINTS];
	double variance[SERIES_POINTS];
	bool sampled;
};

/* @count seconds of about @rate requests each, nothing held. */
static inline void run_start(struct run *p, struct rng *rng, size_t count,
			     double rate)
{
	double x = 0;

	p->count = count;
	p->sampled = false;
	for (size_t i = 0; i < count; i++) {
		x += fmax(1, round(rate + sqrt(rate) * rng_normal(rng)));
		p->x[i] = x;
		p->t[i] = (double)i + 1;
		p->y[i] = p->variance[i] = 0;
	}
}

static inline double run_x(const struct run *p, size_t i)
{
	return p->x[i] / p->x[p->count - 1];
}

static inline int run_trend(struct trend *out, const struct run *p)
{
	struct trend_series in = {
		.count = p->count,
		.x = p->x,
		.y = p->y,
		.t = p->t,
		.variance = p->sampled ? p->variance : NULL,
	};

	return trend_of(out, &in);
}

/* --- noise, of standard deviation @deviation ------------------------------ */

static inline void add_white(struct run *p, struct rng *rng, double deviation)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += deviation * rng_normal(rng);
}

/* Neighbours correlate by @phi; 1 is a random walk of @deviation a step. */
static inline void add_drift(struct run *p, struct rng *rng, double deviation,
			     double phi)
{
	double step = phi < 1 ? deviation * sqrt(1 - phi * phi) : deviation;
	double e = deviation * rng_normal(rng);

	for (size_t i = 0; i < p->count; i++) {
		e = phi * e + step * rng_normal(rng);
		p->y[i] += e;
	}
}

/* Pareto's: of finite variance only where @shape is above 2. */
static inline void add_pareto(struct run *p, struct rng *rng, double least,
			      double shape)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += least * pow(rng_uniform(rng), -1 / shape);
}

/* --- shapes ----------------------------------------------------------------
 */

static inline void add_line(struct run *p, double rise)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += rise * run_x(p, i);
}

static inline void add_step(struct run *p, double where, double height)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += run_x(p, i) >= where ? height : 0;
}

/* A line that ends at @where: a cache that is full then. */
static inline void add_fill(struct run *p, double where, double height)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += height * fmin(run_x(p, i) / where, 1);
}

static inline void add_decay(struct run *p, double where, double height)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] -= height * expm1(-run_x(p, i) / where);
}

static inline void add_logistic(struct run *p, double middle, double width,
				double height)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += height / (1 + exp(-(run_x(p, i) - middle) / width));
}

/* From @least requests' share of the run on, the logarithm; @height in all. */
static inline void add_log(struct run *p, double least, double height)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] +=
			height * log1p(run_x(p, i) / least) / log1p(1 / least);
}

/* Each jump @ratio times as far and as high as the one before, until @last. */
static inline void add_staircase(struct run *p, double ratio, double last,
				 double height)
{
	for (size_t i = 0; i < p->count; i++) {
		double below =
			fmax(0,
			     ceil(log(last / run_x(p, i)) / log(ratio) - 1e-9));

		p->y[i] += height * pow(ratio, -below);
	}
}

/* @teeth rises to @height, each of a length that differs by up to @jitter. */
static inline void add_sawtooth(struct run *p, struct rng *rng, double teeth,
				double jitter, double height)
{
	double phase = rng_uniform(rng), pace = 1, before = 0;

	for (size_t i = 0; i < p->count; i++) {
		double x = run_x(p, i);

		phase += (x - before) * teeth * pace;
		before = x;
		if (phase >= 1) {
			phase -= floor(phase);
			pace = 1 + jitter * rng_between(rng, -1, 1);
		}
		p->y[i] += height * phase;
	}
}

/* Keys of Zipf's law seen for the first time: @keys of them, LEVEL in all. */
static inline void add_interned(struct run *p, struct rng *rng, unsigned keys,
				double power, double height)
{
	double rates[5000], all = 0, seen[SERIES_POINTS] = { 0 }, sum = 0;
	double requests = p->x[p->count - 1];

	for (unsigned k = 0; k < keys; k++)
		all += rates[k] = pow(k + 1, -power);
	for (unsigned k = 0; k < keys; k++) {
		double first =
			-log(rng_uniform(rng)) * all / rates[k] / requests;
		size_t i = 0;

		while (i < p->count && run_x(p, i) < first)
			i++;
		if (i < p->count)
			seen[i]++;
	}
	for (size_t i = 0; i < p->count; i++) {
		sum += seen[i];
		p->y[i] += height * sum / keys;
	}
}

/* A pool that is as large as there was ever need of at once. */
static inline void add_records(struct run *p, struct rng *rng, double mean,
			       double each)
{
	double most = 0;

	for (size_t i = 0; i < p->count; i++) {
		for (int j = 0; j < 20; j++)
			most = fmax(most, rng_poisson(rng, mean));
		p->y[i] += each * most;
	}
}

/* --- load ------------------------------------------------------------------
 */

/* Requests come at @rate(t / duration) times the usual. */
static inline void run_load(struct run *p, struct rng *rng, double rate,
			    double (*factor)(double t, double parameter),
			    double parameter)
{
	double x = 0;

	for (size_t i = 0; i < p->count; i++) {
		double mean =
			rate * factor((double)i / (double)p->count, parameter);

		x += fmax(1, round(mean + sqrt(mean) * rng_normal(rng)));
		p->x[i] = x;
	}
}

/* What is held is in proportion to the requests of each window. */
static inline void add_load(struct run *p, double each)
{
	for (size_t i = 0; i < p->count; i++)
		p->y[i] += each * (p->x[i] - (i ? p->x[i - 1] : 0));
}

/* --- sampling --------------------------------------------------------------
 */

/*
 * What a sampler of mean @mean sees of the level: blocks of @size bytes that
 * come as it rises and go, at random, as it falls; a share of @turnover of
 * them is replaced each window.
 */
static inline void run_sample(struct run *p, struct rng *rng, double size,
			      double mean, double turnover)
{
	double chance = -expm1(-(size + 512) / mean);
	double live = 0, held = 0; /* samples, bytes */

	p->sampled = true;
	for (size_t i = 0; i < p->count; i++) {
		double wanted = fmax(p->y[i], 0), gone = turnover * held;
		double born = gone;

		if (wanted > held)
			born += wanted - held;
		else
			gone += held - wanted;
		if (held > 0)
			live -= rng_binomial(rng, (unsigned)live,
					     fmin(gone / held, 1));
		live += rng_binomial(rng, (unsigned)(born / size), chance);
		held = wanted;
		p->y[i] = live * size / chance;
		p->variance[i] =
			live * (1 - chance) * size / chance * size / chance;
	}
}

#endif
