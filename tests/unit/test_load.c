#include "profiler/latency/load.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "tests/unit/random.h"

#define MS   1e6
#define MOST 20000u

/* Clients that ask again @think after each answer; a stall now and then. */
struct closed {
	unsigned clients;
	double took, varies, think;
	unsigned requests;
	double stall_at, stall; /* nothing is answered in between */
};

static double answer_time(struct rng *r, double took, double varies)
{
	return took * exp(varies * rng_normal(r));
}

static double past_stall(const struct closed *c, double to)
{
	return to > c->stall_at && to < c->stall_at + c->stall
		       ? c->stall_at + c->stall
		       : to;
}

/* In the order in which they are answered. */
static struct load *closed_loop(const struct closed *c)
{
	struct load *l = calloc(1, sizeof(*l));
	struct rng r = { 11 };
	double from[256], to[256];

	cr_assert(l && c->clients <= 256);
	for (unsigned i = 0; i < c->clients; i++) {
		from[i] = i * MS / 100;
		to[i] = from[i] + answer_time(&r, c->took, c->varies);
	}
	for (unsigned n = 0; n < c->requests; n++) {
		unsigned next = 0;

		for (unsigned i = 1; i < c->clients; i++)
			if (to[i] < to[next])
				next = i;
		load_add(l, (uint64_t)from[next], (uint64_t)to[next]);
		from[next] = to[next] + c->think * rng_between(&r, 0.5, 1.5);
		to[next] = past_stall(c, from[next] + answer_time(&r, c->took,
								  c->varies));
	}
	return l;
}

static int by_end(const void *a, const void *b)
{
	const struct load_span *x = a, *y = b;

	return x->to < y->to ? -1 : x->to > y->to;
}

/* @rate a second, each for itself; @paced: at equal distances. */
static struct load *open_loop(double rate, double took, double varies,
			      bool paced, unsigned requests, double stall)
{
	struct load *l = calloc(1, sizeof(*l));
	struct load_span *at = calloc(requests, sizeof(*at));
	struct rng r = { 12 };
	double now = 0;

	cr_assert(l && at);
	for (unsigned i = 0; i < requests; i++) {
		double to;

		now += (paced ? 1 : -log(rng_uniform(&r))) * 1e9 / rate;
		to = now + answer_time(&r, took, varies);
		if (to > 2e9 && to < 2e9 + stall)
			to = 2e9 + stall;
		at[i] = (struct load_span) { (uint64_t)now, (uint64_t)to };
	}
	qsort(at, requests, sizeof(*at), by_end);
	for (unsigned i = 0; i < requests; i++)
		load_add(l, at[i].from, at[i].to);
	free(at);
	return l;
}

static struct load_shape shape_of(struct load *l)
{
	struct load_shape s = load_shape(l);

	cr_assert(load_sound(l));
	free(l);
	return s;
}

static void expect_closed(const struct closed *c)
{
	struct load_shape s = shape_of(closed_loop(c));
	double cycle = c->took + c->think;

	cr_expect_eq(s.kind, LOAD_CLOSED, "%u clients", c->clients);
	cr_expect(s.clients >= c->clients * 0.9 && s.clients <= c->clients,
		  "%u clients: %f", c->clients, s.clients);
	cr_expect(s.cycle > cycle * 0.85 && s.cycle < cycle * 1.3,
		  "%u clients: %f of %f", c->clients, s.cycle, cycle);
}

Test(load, of_clients_that_wait_is_closed_and_tells_how_many_they_are)
{
	static const unsigned counts[] = { 1, 2, 3, 8, 32, 100 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		expect_closed(&(struct closed) { .clients = counts[i],
						 .took = 5 * MS,
						 .varies = 0.3,
						 .think = 0.4 * MS,
						 .requests = MOST });
}

Test(load, of_a_few_requests_tells_too)
{
	expect_closed(&(struct closed) { .clients = 4,
					 .took = 5 * MS,
					 .varies = 0.3,
					 .think = 0.2 * MS,
					 .requests = 200 });
}

Test(load, of_clients_that_wait_stays_closed_through_a_stall)
{
	expect_closed(&(struct closed) { .clients = 8,
					 .took = 2 * MS,
					 .varies = 0.3,
					 .think = 0.2 * MS,
					 .requests = MOST,
					 .stall_at = 2000 * MS,
					 .stall = 1500 * MS });
}

Test(load, that_comes_by_chance_is_open_however_much_is_in_flight)
{
	static const double rates[] = { 5, 50, 100, 200, 2000, 20000 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct load_shape s = shape_of(
			open_loop(rates[i], 5 * MS, 0.3, false, MOST, 0));

		cr_expect_eq(s.kind, LOAD_OPEN, "%f a second", rates[i]);
		cr_expect_eq(s.cycle, 0);
	}
}

Test(load, that_keeps_to_a_timetable_is_open)
{
	static const double rates[] = { 20, 150, 180, 400, 1000 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct load_shape s = shape_of(
			open_loop(rates[i], 5 * MS, 0.3, true, MOST, 0));

		cr_expect_eq(s.kind, LOAD_OPEN, "%f a second", rates[i]);
	}
}

Test(load, that_comes_by_chance_stays_open_through_a_stall)
{
	struct load_shape s =
		shape_of(open_loop(500, 4 * MS, 0.3, false, MOST, 1000 * MS));

	cr_expect_eq(s.kind, LOAD_OPEN);
}

Test(load, of_clients_that_think_longer_than_they_wait_is_not_closed)
{
	struct load_shape s =
		shape_of(closed_loop(&(struct closed) { .clients = 50,
							.took = 5 * MS,
							.varies = 0.3,
							.think = 100 * MS,
							.requests = MOST }));

	cr_expect_eq(s.kind, LOAD_OPEN);
}

Test(load, of_too_few_requests_is_unknown)
{
	struct load_shape s = shape_of(closed_loop(&(struct closed) {
		.clients = 4, .took = 5 * MS, .varies = 0.3, .requests = 40 }));

	cr_expect_eq(s.kind, LOAD_UNKNOWN);
}

Test(load, goes_on_after_more_batches_than_are_kept)
{
	struct closed c = { .clients = 3,
			    .took = 5 * MS,
			    .varies = 0.3,
			    .requests = LOAD_BATCH * (LOAD_SEGMENTS * 3 + 1) };
	struct load *l = closed_loop(&c);
	struct load_shape s;

	cr_expect(l->segment_count <= LOAD_SEGMENTS);
	s = shape_of(l);
	cr_expect_eq(s.kind, LOAD_CLOSED);
}

Test(load, that_no_server_can_have_had_does_no_harm)
{
	struct load *l = calloc(1, sizeof(*l));
	struct rng r = { 3 };

	cr_assert_not_null(l);
	for (unsigned i = 0; i < MOST; i++)
		load_add(l, rng_bits(&r), rng_bits(&r) >> (i % 64));
	(void)shape_of(l);
}
