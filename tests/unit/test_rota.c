/*
 * When a process is scanned: soon where that is cheap, seldom where it is dear.
 */
#include <criterion/criterion.h>

#include "profiler/cmd/rota.h"

#define BEGAN	1000000000000ULL
#define SECOND	1000000000ULL
#define MS	1000000ULL
#define CHEAP	MS
#define MIB	(1024ULL * 1024)
#define MINUTES 60

/* Its age at the next scan, in milliseconds; the scan is made. */
static uint64_t next_ms(struct rota *r, uint64_t price)
{
	uint64_t at = rota_next_ns(r, price);

	rota_made(r, at, price);
	return (at - BEGAN) / MS;
}

/* What @minutes cost, in parts of ten thousand. */
static uint64_t share_of(uint64_t minutes, uint64_t price)
{
	struct rota r = { .began_ns = BEGAN };
	uint64_t end = BEGAN + minutes * 60 * SECOND;

	while (rota_next_ns(&r, price) < end)
		rota_made(&r, rota_next_ns(&r, price), price);
	return r.spent_ns * 10000 / (end - BEGAN);
}

Test(rota, a_small_process_is_scanned_soon_and_each_minute)
{
	struct rota r = { .began_ns = BEGAN };

	cr_expect_eq(next_ms(&r, CHEAP), 2000);
	cr_expect_eq(next_ms(&r, CHEAP), 8000);
	cr_expect_eq(next_ms(&r, CHEAP), 30000);
	cr_expect_eq(next_ms(&r, CHEAP), 90000);
	cr_expect_eq(next_ms(&r, CHEAP), 150000);
}

Test(rota, the_first_waits_until_it_is_paid_for_but_four_seconds_at_most)
{
	struct rota r = { .began_ns = BEGAN };

	cr_expect_eq(rota_next_ns(&r, 30 * MS) - BEGAN, 3 * SECOND);
	cr_expect_eq(rota_next_ns(&r, 90 * MS) - BEGAN, 4 * SECOND);
	cr_expect_eq(rota_next_ns(&r, 60 * SECOND) - BEGAN, 4 * SECOND);
}

Test(rota, each_other_waits_until_all_are_paid_for)
{
	struct rota r = { .began_ns = BEGAN };

	cr_expect_eq(next_ms(&r, 60 * MS), 4000);
	cr_expect_eq(next_ms(&r, 60 * MS), 12000);
	cr_expect_eq(next_ms(&r, 60 * MS), 30000);
	cr_expect_eq(next_ms(&r, 200 * MS), 90000);
	cr_expect_eq(next_ms(&r, 2000 * MS), 238000);
}

Test(rota, two_scans_are_never_too_far_apart_to_confirm_each_other)
{
	struct rota r = { .began_ns = BEGAN };

	cr_expect_eq(next_ms(&r, SECOND), 4000);
	cr_expect_eq(next_ms(&r, SECOND), 32000);
	cr_expect_eq(next_ms(&r, SECOND), 256000);
	cr_expect_eq(next_ms(&r, SECOND), 400000);
}

Test(rota, scans_take_a_hundredth_of_the_time)
{
	cr_expect_leq(share_of(1, rota_price(300 * MIB, 300 * MS)), 100);
	cr_expect_leq(share_of(10, rota_price(1024 * MIB, SECOND)), 100);
	cr_expect_leq(share_of(MINUTES, rota_price(8192 * MIB, 8 * SECOND)),
		      100);
}
