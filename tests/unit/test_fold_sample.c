#include <math.h>

#include "tests/unit/fold_rig.h"

#define CONSTANT 512
#define MEAN	 65536

/* What the shim does: a geometric credit of mean MEAN, less each cost. */
struct sampler {
	uint64_t random;
	double credit;
};

static double draw(struct sampler *s)
{
	double u = (double)(rig_random(&s->random) >> 11) * 0x1p-53;

	return -log1p(-u) * MEAN;
}

static bool is_due(struct sampler *s, uint64_t size)
{
	s->credit -= (double)(size + CONSTANT);
	if (s->credit >= 0)
		return false;
	s->credit = draw(s);
	return true;
}

Test(sample, live_bytes_are_unbiased_and_their_interval_holds_the_truth)
{
	double sum = 0, truth = 0;
	int covered = 0, runs = 400;

	for (int run = 0; run < runs; run++) {
		struct sampler s = { .random = (uint64_t)run * 7919 + 12345 };
		struct rig r = rig_new();
		struct fold_sum live;

		for (int i = 0; i < 100; i++)
			s.credit = draw(&s);
		truth = 0;
		rig_mean(&r, 0, MEAN);
		for (uint64_t i = 0; i < 20000; i++) {
			uint64_t size = 16 + i % 37 * 100;

			if (i % 2)
				truth += (double)size;
			if (!is_due(&s, size))
				continue;
			rig_alloc(&r, 0, 1, size, 0x1000 + i * 16, i);
			if (i % 2 == 0)
				rig_free(&r, 0, 0x1000 + i * 16, i);
		}
		live = rig_stack(rig_finish(&r), 1).live;
		sum += live.bytes;
		covered += fabs(live.bytes - truth) <=
			   1.96 * sqrt(live.bytes_variance);
		fold_free(r.fold);
	}
	cr_expect_float_eq(sum / runs / truth, 1, 0.02);
	cr_expect_geq(covered, runs * 93 / 100);
	cr_expect_leq(covered, runs * 97 / 100);
}

Test(sample, a_block_far_larger_than_the_mean_counts_once)
{
	struct rig r = rig_new();
	struct fold_sum live;

	rig_mean(&r, 0, 4096);
	rig_alloc(&r, 0, 1, 1 << 20, 0x1000, 1);
	live = rig_stack(rig_finish(&r), 1).live;
	cr_expect_eq(live.bytes, 1 << 20);
	cr_expect_eq(live.count, 1);
	cr_expect_eq(live.bytes_variance, 0);
	fold_free(r.fold);
}

Test(sample, a_small_block_counts_for_those_not_seen)
{
	struct rig r = rig_new();
	struct fold_sum live;
	double p = 1 - exp(-(64. + CONSTANT) / MEAN);

	rig_mean(&r, 0, MEAN);
	rig_alloc(&r, 0, 1, 64, 0x1000, 1);
	live = rig_stack(rig_finish(&r), 1).live;
	cr_expect_float_eq(live.bytes, 64 / p, 1e-3);
	cr_expect_float_eq(live.count, 1 / p, 1e-4);
	cr_expect_float_eq(live.bytes_variance / (64 * 64 * (1 - p) / p / p), 1,
			   1e-6);
	fold_free(r.fold);
}

Test(sample, each_sample_keeps_the_mean_it_was_drawn_with)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	rig_mean(&r, 0, 1 << 22);
	rig_alloc(&r, 0, 1, 64, 0x1000, 1);
	rig_mean(&r, 0, 1 << 14);
	rig_alloc(&r, 0, 2, 64, 0x2000, 2);
	rig_free(&r, 0, 0x1000, 3);
	f = rig_finish(&r);
	cr_expect_eq(rig_stack(f, 1).live.bytes, 0);
	cr_expect_float_eq(f->live.bytes_variance /
				   rig_stack(f, 2).live.bytes_variance,
			   1, 1e-6);
	cr_expect_eq(f->mean_bytes, 1 << 14);
	fold_free(r.fold);
}

Test(sample, no_rest_of_rounding_stays_where_nothing_is_alive)
{
	struct rig r = rig_new();
	const struct fold_result *f;

	for (uint64_t i = 0; i < 1000; i++) {
		rig_mean(&r, 0, 10000 + i * 977);
		rig_alloc(&r, 0, 1, 16 + i, 0x1000 + i * 16, i);
	}
	for (uint64_t i = 0; i < 1000; i++)
		rig_free(&r, 0, 0x1000 + i * 7 % 1000 * 16, 2000 + i);
	f = rig_finish(&r);
	cr_expect_eq(f->live.bytes, 0);
	cr_expect_eq(f->live.count_variance, 0);
	cr_expect_eq(rig_stack(f, 1).live.bytes, 0);
	cr_expect_eq(rig_stack(f, 1).live.bytes_variance, 0);
	fold_free(r.fold);
}

Test(sample, temporary_cannot_be_seen)
{
	struct rig r = rig_new();

	rig_mean(&r, 0, MEAN);
	rig_alloc(&r, 0, 1, 64, 0x1000, 1);
	rig_free(&r, 0, 0x1000, 2);
	cr_expect_eq(rig_finish(&r)->temporary.count, 0);
	fold_free(r.fold);
}
