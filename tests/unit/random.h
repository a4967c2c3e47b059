/* Seeded random numbers for tests: the same on every machine, each run. */
#ifndef TESTS_UNIT_RANDOM_H
#define TESTS_UNIT_RANDOM_H

#include <math.h>
#include <stdint.h>

struct rng {
	uint64_t state; /* any seed */
};

/* SplitMix64. */
static inline uint64_t rng_bits(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* In (0, 1). */
static inline double rng_uniform(struct rng *r)
{
	return ((double)(rng_bits(r) >> 12) + 0.5) / 0x1p52;
}

static inline double rng_between(struct rng *r, double low, double high)
{
	return low + (high - low) * rng_uniform(r);
}

static inline double rng_normal(struct rng *r)
{
	double radius = sqrt(-2 * log(rng_uniform(r)));

	return radius * cos(2 * M_PI * rng_uniform(r));
}

/* How many of @count, of chance @p each: by the gaps between those taken. */
static inline double rng_binomial(struct rng *r, unsigned count, double p)
{
	double at = 0, taken = -1;

	if (p >= 1)
		return count;
	if (p <= 0)
		return 0;
	do {
		at += 1 + floor(log(rng_uniform(r)) / log1p(-p));
		taken++;
	} while (at <= count);
	return taken;
}

static inline double rng_poisson(struct rng *r, double mean)
{
	double at = 0, taken = -1;

	do {
		at -= log(rng_uniform(r));
		taken++;
	} while (at <= mean);
	return taken;
}

#endif
