#include "profiler/analysis/estimate.h"

#include <criterion/criterion.h>
#include <math.h>

#include "tests/unit/random.h"

#define near(a, b, tolerance)                                          \
	cr_assert_lt(fabs((a) - (b)), (tolerance), "%.9g is not %.9g", \
		     (double)(a), (double)(b))

#define MEAN  65536.0 /* bytes between samples */
#define EXTRA 512.0   /* that each block counts for besides its own */

static double chance(double size)
{
	return -expm1(-(size + EXTRA) / MEAN);
}

/* What the sampler would say of @count blocks of @size bytes. */
static void sample_blocks(struct rng *rng, double *sum, double *variance,
			  unsigned count, double size)
{
	double p = chance(size);
	double k = rng_binomial(rng, count, p);

	*sum += k * size / p;
	*variance += k * (1 - p) * size / p * size / p;
}

/* How often the interval holds what there was, of @runs seeds. */
static double coverage(unsigned runs, unsigned kinds, const double *sizes,
		       const unsigned *counts)
{
	unsigned held = 0;

	for (unsigned seed = 0; seed < runs; seed++) {
		struct rng rng = { seed };
		double sum = 0, variance = 0, truth = 0;
		struct figure f;

		for (unsigned i = 0; i < kinds; i++) {
			sample_blocks(&rng, &sum, &variance, counts[i],
				      sizes[i]);
			truth += counts[i] * sizes[i];
		}
		f = estimate_interval(sum, variance);
		held += f.low <= truth && truth <= f.high;
	}
	return (double)held / runs;
}

#define assert_covers(...)                                  \
	do {                                                \
		double c = coverage(20000, __VA_ARGS__);    \
		cr_assert(c > 0.93 && c < 0.97, "%.4f", c); \
	} while (0)

Test(estimate, the_interval_covers_sets_of_any_block_size)
{
	assert_covers(1, (double[]) { 16 }, (unsigned[]) { 20000 });
	assert_covers(1, (double[]) { 256 }, (unsigned[]) { 10000 });
	assert_covers(1, (double[]) { 4096 }, (unsigned[]) { 1000 });
	assert_covers(1, (double[]) { 65536 }, (unsigned[]) { 100 });
	assert_covers(1, (double[]) { 100000 }, (unsigned[]) { 100 });
}

Test(estimate, the_interval_covers_mixed_sets)
{
	double sizes[] = { 16, 64, 1024, 16384, 262144, 1048576 };

	assert_covers(6, sizes, ((unsigned[]) { 9999, 9999, 999, 99, 20, 5 }));
	assert_covers(6, sizes, ((unsigned[]) { 99999, 0, 0, 0, 0, 5 }));
	assert_covers(6, sizes, ((unsigned[]) { 0, 30000, 0, 99, 1, 0 }));
}

Test(estimate, the_interval_of_few_samples_is_never_short_by_much)
{
	for (unsigned blocks = 600; blocks < 2000; blocks += 50) {
		double c = coverage(4000, 1, (double[]) { 64 }, &blocks);

		cr_assert_gt(c, 0.90, "%u blocks: %.4f", blocks, c);
	}
}

Test(estimate, few_samples_reach_neither_below_nothing_nor_evenly)
{
	struct figure f = estimate_interval(300, 3 * 100 * 100);

	cr_assert_gt(f.low, 0);
	cr_assert_gt(f.high - f.value, f.value - f.low);
	near(f.low, 84.5, 1); /* Gamma(3.5) at 2.5 % and at 97.5 % */
	near(f.high, 800.6, 1);
}

Test(estimate, many_samples_have_the_normal_interval)
{
	struct figure f = estimate_interval(1e6, 1e6);

	near(f.low, 1e6 - 1960, 3);
	near(f.high, 1e6 + 1960, 3);
}

Test(estimate, an_exact_figure_is_its_own_interval)
{
	struct figure f = estimate_interval(1024, 0);

	cr_assert_eq(f.low, 1024);
	cr_assert_eq(f.high, 1024);
	cr_assert(isinf(estimate_samples(1024, 0)));
}

Test(estimate, growth_of_a_set_is_as_sure_as_what_was_born)
{
	struct figure f = estimate_growth(1e6, 1e8, 1.5e6, 1.5e8);

	cr_assert_eq(f.value, 5e5);
	near(f.high - f.low, 2 * 1.96 * sqrt(0.5e8), 20);
}

Test(estimate, exact_growth_has_no_width)
{
	struct figure f = estimate_growth(1000, 0, 800, 0);

	cr_assert_eq(f.low, -200);
	cr_assert_eq(f.high, -200);
}

Test(estimate, a_fall_mirrors_a_rise)
{
	struct figure rise = estimate_growth(1e6, 1e8, 1.5e6, 1.5e8);
	struct figure fall = estimate_growth(1.5e6, 1.5e8, 1e6, 1e8);

	near(fall.low, -rise.high, 1e-6);
	near(fall.high, -rise.low, 1e-6);
}

Test(estimate, growth_by_replacement_is_as_unsure_as_both)
{
	struct figure f = estimate_growth(1e6, 3e8, 1.1e6, 1e8);

	near(f.high - f.low, 2 * 1.96 * sqrt(4e8), 20);
}

Test(estimate, growth_of_a_sampled_leak_covers_the_truth)
{
	unsigned held = 0;

	for (unsigned seed = 0; seed < 20000; seed++) {
		struct rng rng = { seed };
		double from = 0, from_variance = 0, to, to_variance;
		struct figure f;

		sample_blocks(&rng, &from, &from_variance, 5000, 64);
		to = from;
		to_variance = from_variance;
		sample_blocks(&rng, &to, &to_variance, 3000, 64);
		f = estimate_growth(from, from_variance, to, to_variance);
		held += f.low <= 3000 * 64 && 3000 * 64 <= f.high;
	}
	cr_assert(held > 18600 && held < 19400, "%u of 20000", held);
}

Test(estimate, per_request_divides_all_three)
{
	struct figure f = estimate_per((struct figure) { 10, 8, 14 }, 2);

	cr_assert_eq(f.value, 5);
	cr_assert_eq(f.low, 4);
	cr_assert_eq(f.high, 7);
	cr_assert(isnan(estimate_per(f, 0).value));
}

Test(estimate, the_ratio_of_exact_figures_is_exact)
{
	struct figure f = estimate_ratio((struct figure) { 6, 6, 6 },
					 (struct figure) { 3, 3, 3 });

	near(f.low, 2, 1e-12);
	near(f.value, 2, 1e-12);
	near(f.high, 2, 1e-12);
}

Test(estimate, the_ratio_of_symmetric_figures_is_fiellers)
{
	/* 10 +- 2 over 20 +- 4: (200 -+ sqrt(200^2 - 384 * 96)) / 384. */
	struct figure f = estimate_ratio((struct figure) { 10, 8, 12 },
					 (struct figure) { 20, 16, 24 });

	near(f.low, (200 - sqrt(40000 - 384 * 96)) / 384, 1e-9);
	near(f.high, (200 + sqrt(40000 - 384 * 96)) / 384, 1e-9);
}

Test(estimate, the_ratio_to_what_may_be_nothing_has_no_bound)
{
	struct figure f = estimate_ratio((struct figure) { 10, 8, 12 },
					 (struct figure) { 2, -1, 5 });

	cr_assert(isinf(f.low) && isinf(f.high));
	cr_assert_eq(f.value, 5);
}

Test(estimate, the_ratio_of_a_fall_is_below_nothing)
{
	struct figure f = estimate_ratio((struct figure) { -10, -12, -8 },
					 (struct figure) { 20, 20, 20 });

	near(f.low, -0.6, 1e-9);
	near(f.high, -0.4, 1e-9);
}

Test(estimate, the_ratio_covers_the_truth)
{
	unsigned held = 0;

	for (unsigned seed = 0; seed < 20000; seed++) {
		struct rng rng = { seed };
		double a = 3 + rng_normal(&rng), b = 10 + 2 * rng_normal(&rng);
		struct figure f = estimate_ratio(
			(struct figure) { a, a - 1.96, a + 1.96 },
			(struct figure) { b, b - 3.92, b + 3.92 });

		held += f.low <= 0.3 && 0.3 <= f.high;
	}
	cr_assert(held > 18600 && held < 19400, "%u of 20000", held);
}

Test(estimate, the_normal_distribution_is_the_tables)
{
	near(estimate_normal_quantile(0.975), 1.959963985, 1e-9);
	near(estimate_normal_quantile(0.5), 0, 1e-12);
	near(estimate_normal_quantile(0.001), -3.090232306, 1e-9);
	near(estimate_normal_quantile(1e-9), -5.997807015, 1e-8);
	near(estimate_normal_tail(1.959963985), 0.025, 1e-10);
}

Test(estimate, students_distribution_is_the_tables)
{
	near(estimate_t_quantile(0.975, 1), 12.7062, 1e-3);
	near(estimate_t_quantile(0.975, 2), 4.30265, 1e-4);
	near(estimate_t_quantile(0.975, 8), 2.30600, 1e-4);
	near(estimate_t_quantile(0.999, 8), 4.50079, 1e-3);
	near(estimate_t_quantile(0.9995, 58), 3.466, 1e-2);
	near(estimate_t_quantile(0.025, 30), -2.04227, 1e-4);
	cr_assert_eq(estimate_t_quantile(0.5, 7), 0);
}

Test(estimate, the_gamma_distribution_is_the_tables)
{
	/* Half of a chi-square of 2 * shape degrees. */
	near(estimate_gamma_quantile(0.975, 0.5), 5.02389 / 2, 1e-5);
	near(estimate_gamma_quantile(0.025, 0.5), 0.000982069 / 2, 1e-8);
	near(estimate_gamma_quantile(0.95, 5), 18.3070 / 2, 1e-4);
	near(estimate_gamma_quantile(0.05, 50), 77.9295 / 2, 1e-4);
	near(estimate_gamma_quantile(0.975, 2000), 2088.600, 0.02);
}
