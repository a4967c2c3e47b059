/*
 * A simulation study of the trend: how often it is wrong, over thousands of
 * seeded series of every kind, exact and sampled at 64 KiB.  Prints its
 * figures; STRANDLINE_ALL=1 makes it ten times as long.
 */
#include "profiler/analysis/trend.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/fixture_series.h"

#define KIB64 65536.0

static struct run p;
static struct rng rng;
static double truth; /* of the slope, where there is one */

static double between(double low, double high)
{
	return rng_between(&rng, low, high);
}

/* As likely between 1 and 2 as between 10 and 20. */
static double magnitude(double low, double high)
{
	return exp(between(log(low), log(high)));
}

static void line(double rise)
{
	add_line(&p, rise);
	truth = rise / p.x[p.count - 1];
}

static void leak(double bytes)
{
	for (size_t i = 0; i < p.count; i++)
		p.y[i] += bytes * p.x[i];
	truth = bytes;
}

static double day(double t, double days)
{
	return 1 + 0.7 * sin(2 * M_PI * (t * days - 0.25));
}

static double step(double t, double when)
{
	return t < when ? 1 : 3;
}

static double ramp(double t, double more)
{
	return 1 + t * more;
}

/* --- clean ------------------------------------------------------------------
 */

static void white(void)
{
	add_white(&p, &rng, 1e5);
}

static void ties(void)
{
	double mean = magnitude(0.05, 5);

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = 1e4 * rng_poisson(&rng, mean);
}

static void pareto(void)
{
	add_pareto(&p, &rng, 1e4, between(1.1, 3));
}

static void autoregressive(void)
{
	add_drift(&p, &rng, 1e5, between(0.1, 0.95));
}

static void walk(void)
{
	add_drift(&p, &rng, 1e5, 1);
}

static void jump(void)
{
	add_step(&p, between(0.02, 0.98), LEVEL);
	add_white(&p, &rng, magnitude(1, 3e5));
}

static void doubling(void)
{
	add_staircase(&p, 2, between(0.05, 0.6), LEVEL);
	add_white(&p, &rng, magnitude(1, 1e3));
}

static void sawtooth(void)
{
	add_sawtooth(&p, &rng, magnitude(2, 40), between(0, 0.3), LEVEL);
	add_white(&p, &rng, magnitude(1, 1e5));
}

static void two_generations(void)
{
	double great = between(2.2, 5), small = between(15, 50);
	double phase = between(0, 1);

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = LEVEL * fmod(great * run_x(&p, i) + phase, 1) +
			 LEVEL / 5 * fmod(small * run_x(&p, i), 1);
}

static void emptied(void)
{
	double length = between(0.28, 0.45), pace = between(0.2, 3);

	for (size_t i = 0; i < p.count; i++) {
		double x = fmod(run_x(&p, i) / length, 1);

		p.y[i] = -LEVEL * expm1(-x / pace);
	}
}

static void logistic(void)
{
	add_logistic(&p, between(0.1, 0.6), between(0.02, 0.1), LEVEL);
	add_white(&p, &rng, magnitude(1, 2e4));
}

static void logarithm(void)
{
	add_log(&p, magnitude(1e-5, 0.02), LEVEL);
	add_white(&p, &rng, magnitude(1, 3e4));
}

static void full_at(double where, double noise)
{
	add_fill(&p, where, LEVEL);
	add_white(&p, &rng, magnitude(1, noise));
}

static void full_early(void)
{
	full_at(between(0.1, 0.5), 5e4);
}

static void full_at_70(void)
{
	full_at(0.7, 4e4);
}

static void full_at_90(void)
{
	full_at(0.9, 1e4);
}

static void interned(void)
{
	add_interned(&p, &rng, (unsigned)between(200, 5000), between(0.8, 1.6),
		     LEVEL);
}

static void records(void)
{
	add_records(&p, &rng, between(2, 60), 1e4);
}

static void routes(void)
{
	for (int k = 0; k < 40; k++)
		add_step(&p, 0.7 * pow(rng_uniform(&rng), 2), 25e3);
}

static void warm_up(void)
{
	add_decay(&p, between(0.01, 0.1), LEVEL);
	add_step(&p, between(0.01, 0.1), LEVEL);
	add_white(&p, &rng, magnitude(1, 1e5));
}

static void load_step(void)
{
	run_load(&p, &rng, 2000, step, between(0.1, 0.9));
	add_load(&p, 100);
}

static void load_day(void)
{
	run_load(&p, &rng, 2000, day, between(0.4, 3));
	add_load(&p, 100);
}

static void load_ramp(void)
{
	run_load(&p, &rng, 2000, ramp, between(0.3, 4));
	add_load(&p, 100);
}

static void sampled_level(void)
{
	double level = magnitude(1e4, 1e7);

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = level;
	run_sample(&p, &rng, magnitude(16, 1e5), KIB64, between(0, 1));
}

static void sampled_fill(void)
{
	add_fill(&p, between(0.1, 0.7), 3e7);
	run_sample(&p, &rng, magnitude(64, 1e4), KIB64, between(0, 0.1));
}

static void sampled_logarithm(void)
{
	add_log(&p, magnitude(1e-5, 0.02), 3e7);
	run_sample(&p, &rng, magnitude(64, 1e4), KIB64, 0);
}

static void sampled_sawtooth(void)
{
	add_sawtooth(&p, &rng, magnitude(2, 40), 0.2, 1e7);
	run_sample(&p, &rng, magnitude(64, 1e4), KIB64, 0);
}

/* --- leaks ------------------------------------------------------------------
 */

static void three_times(void)
{
	line(3e5);
	add_white(&p, &rng, 1e5);
}

static void ten_times(void)
{
	line(1e6);
	add_white(&p, &rng, 1e5);
}

static void plain(void)
{
	line(magnitude(1e6, 1e8));
	add_white(&p, &rng, magnitude(1, 1e4));
}

static void among_heavy_tails(void)
{
	line(1e6);
	add_pareto(&p, &rng, 3e4, between(1.5, 3));
}

static void rare(void)
{
	double held = 0;

	for (size_t i = 0; i < p.count; i++)
		p.y[i] = held += 65536 * rng_poisson(&rng, 2);
	truth = 65.536;
}

static void tiny(void)
{
	leak(16);
	for (size_t i = 0; i < p.count; i++)
		p.y[i] += 16 * floor(between(0, 8));
}

static void behind_warm_up(void)
{
	add_decay(&p, between(0.01, 0.06), magnitude(1e5, 5e6));
	line(1e6);
	add_white(&p, &rng, magnitude(1, 1e4));
}

static void behind_jump(void)
{
	add_step(&p, between(0.01, 0.4), magnitude(1e5, 1e7));
	line(1e6);
	add_white(&p, &rng, magnitude(1, 1e4));
}

static void late(void)
{
	double from = between(0.4, 0.55) * p.x[p.count - 1];

	for (size_t i = 0; i < p.count; i++)
		p.y[i] =
			96 * fmax(0, p.x[i] - from) + 96 * floor(between(0, 8));
	truth = 96;
}

static void under_sawtooth(void)
{
	add_sawtooth(&p, &rng, magnitude(8, 40), 0.2, magnitude(1e5, 1e6));
	line(1e6);
}

static void under_load(void)
{
	run_load(&p, &rng, 2000, step, between(0.2, 0.8));
	add_load(&p, 100);
	line(magnitude(5e5, 1e7));
}

static void sampled_tiny(void)
{
	leak(16);
	run_sample(&p, &rng, 16, KIB64, 0);
}

static void sampled_buffer(void)
{
	leak(1024);
	run_sample(&p, &rng, 1024, KIB64, 0);
}

static void sampled_rare(void)
{
	rare();
	run_sample(&p, &rng, 65536, KIB64, 0);
}

static void sampled_queue(void)
{
	leak(128);
	run_sample(&p, &rng, 128, KIB64, 0.3);
}

static void sampled_late(void)
{
	late();
	run_sample(&p, &rng, 96, KIB64, 0);
}

/* --- the study --------------------------------------------------------------
 */

#define KIND(name)          \
	{                   \
#name, name \
	}

static const struct kind {
	const char *name;
	void (*make)(void);
} clean_kinds[] = {
	KIND(white),	     KIND(ties),	      KIND(pareto),
	KIND(autoregressive), KIND(walk),	      KIND(jump),
	KIND(doubling),	     KIND(sawtooth),	      KIND(two_generations),
	KIND(emptied),	     KIND(logistic),	      KIND(logarithm),
	KIND(full_early),    KIND(full_at_70),	      KIND(full_at_90),
	KIND(interned),	     KIND(records),	      KIND(routes),
	KIND(warm_up),	     KIND(load_step),	      KIND(load_day),
	KIND(load_ramp),     KIND(sampled_level),     KIND(sampled_fill),
	KIND(sampled_logarithm), KIND(sampled_sawtooth),
}, leak_kinds[] = {
	KIND(three_times),    KIND(ten_times),	   KIND(plain),
	KIND(among_heavy_tails), KIND(rare),	   KIND(tiny),
	KIND(behind_warm_up), KIND(behind_jump),   KIND(late),
	KIND(under_sawtooth), KIND(under_load),	   KIND(sampled_tiny),
	KIND(sampled_buffer), KIND(sampled_rare),  KIND(sampled_queue),
	KIND(sampled_late),
};

#define CLEAN_KINDS (sizeof(clean_kinds) / sizeof(clean_kinds[0]))
#define LEAK_KINDS  (sizeof(leak_kinds) / sizeof(leak_kinds[0]))

struct tally {
	unsigned runs, classes[4], covered;
};

#ifdef __SANITIZE_ADDRESS__ /* for what it catches, not for the figures */
#define RUNS	     40
#define COVERED_MOST 99.5
#else
#define RUNS	     400
#define COVERED_MOST 99
#endif

static unsigned runs_of_each(void)
{
	return getenv("STRANDLINE_ALL") ? RUNS * 10 : RUNS;
}

static void study(struct tally *out, const struct kind *kind, size_t points,
		  unsigned runs)
{
	struct trend t;

	for (unsigned seed = 0; seed < runs; seed++) {
		rng = (struct rng) { seed * 1000003ULL + points };
		run_start(&p, &rng, points, 2000);
		kind->make();
		cr_assert_eq(run_trend(&t, &p), 0);
		out->runs++;
		out->classes[t.class]++;
		out->covered += t.class == TREND_GROWS &&
				t.slope.low <= truth && truth <= t.slope.high;
	}
}

static double share(unsigned part, unsigned whole)
{
	return 100.0 * part / whole;
}

static void print(const char *name, size_t points, const struct tally *t)
{
	printf("%-18s %3zu points: level %5.1f fills %5.1f grows %6.2f "
	       "undecided %5.1f",
	       name, points, share(t->classes[TREND_LEVEL], t->runs),
	       share(t->classes[TREND_FILLS], t->runs),
	       share(t->classes[TREND_GROWS], t->runs),
	       share(t->classes[TREND_UNDECIDED], t->runs));
	if (t->covered)
		printf(", interval holds %5.1f",
		       share(t->covered, t->classes[TREND_GROWS]));
	puts(" %");
}

static struct tally study_all(const struct kind *kinds, size_t count,
			      size_t points, unsigned runs)
{
	struct tally all = { 0 };

	for (size_t k = 0; k < count; k++) {
		struct tally one = { 0 };

		study(&one, &kinds[k], points, runs);
		print(kinds[k].name, points, &one);
		all.runs += one.runs;
		all.covered += one.covered;
		for (int c = 0; c < 4; c++)
			all.classes[c] += one.classes[c];
	}
	print("all", points, &all);
	return all;
}

/* One in a thousand; of few runs, four at most. */
static void assert_hardly_any_grows(struct tally t)
{
	double limit = fmax(t.runs / 1000.0, 4);

	cr_assert_leq(t.classes[TREND_GROWS], limit, "%u of %u",
		      t.classes[TREND_GROWS], t.runs);
}

Test(study, clean_series_grow_at_most_once_in_a_thousand)
{
	struct tally t =
		study_all(clean_kinds, CLEAN_KINDS, 60, runs_of_each());

	assert_hardly_any_grows(t);
}

Test(study, nor_do_they_over_two_minutes)
{
	struct tally t =
		study_all(clean_kinds, CLEAN_KINDS, 120, runs_of_each() / 4);

	assert_hardly_any_grows(t);
}

Test(study, nor_over_half_a_minute)
{
	struct tally t =
		study_all(clean_kinds, CLEAN_KINDS, 30, runs_of_each() / 4);

	assert_hardly_any_grows(t);
}

Test(study, leaks_are_found_and_the_interval_holds_the_truth)
{
	struct tally t = study_all(leak_kinds, LEAK_KINDS, 60, runs_of_each());
	double covered = share(t.covered, t.classes[TREND_GROWS]);

	cr_assert_geq(share(t.classes[TREND_GROWS], t.runs), 98);
	cr_assert(covered > 93 && covered < COVERED_MOST, "%g", covered);
}

Test(study, leaks_of_three_times_the_noise_are_missed_in_two_percent)
{
	struct tally t = { 0 };

	study(&t, &leak_kinds[0], 60, 5 * runs_of_each());
	print(leak_kinds[0].name, 60, &t);
	cr_assert_geq(share(t.classes[TREND_GROWS], t.runs), 98);
}
