#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/model/model.h"
#include "profiler/trace/fold.h"
#include "tests/unit/recording.h"
#include "tests/unit/scratch.h"

#define T0 (100 * SECOND)
#define MS (SECOND / 1000)

TestSuite(endpoints, .init = scratch_make, .fini = scratch_remove);

static const char *const chat_first[] = { "POST /chat", "GET /health", NULL };
static const char *const health_first[] = { "GET /health", "POST /chat", NULL };

static struct model *load(void)
{
	struct err err = ERR_INIT;
	struct model *m;

	cr_assert_eq(model_load(&m, scratch, &err), 0, "%s", err.text);
	return m;
}

static void begin(struct recording *r, struct lane *lane, const char *name,
		  int32_t pid, const char *const *routes)
{
	recording_begin(r, scratch_path(name), pid);
	recording_module(r, "/usr/bin/server");
	recording_nodes(r, 10, 10);
	recording_routes(r, routes);
	lane_begin(lane, r, (uint32_t)pid, T0);
}

static void end(struct recording *r, struct lane *lane)
{
	lane_seal(lane);
	recording_end(r, T0 + 3 * SECOND);
}

/* Of route @id, @count requests of @ms each. */
static void serve(struct lane *lane, uint32_t id, uint64_t count, uint64_t ms)
{
	for (uint64_t i = 0; i < count; i++)
		lane_request(lane, id, 200, REQUEST_ALONE, ms * MS,
			     T0 + i * 10 * MS);
}

Test(endpoints, of_all_processes_are_one)
{
	static struct recording r;
	static struct lane lane;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	serve(&lane, 1, 99, 10);
	end(&r, &lane);
	begin(&r, &lane, "2.slabs", 2, health_first);
	serve(&lane, 2, 1, 500);
	serve(&lane, 1, 20, 1);
	end(&r, &lane);
	m = load();
	cr_assert_eq(m->endpoint_count, 2);
	cr_expect_eq(m->requests, 120);
	cr_expect_str_eq(m->endpoints[0].method, "POST");
	cr_expect_str_eq(m->endpoints[0].route, "/chat");
	cr_expect_eq(m->endpoints[0].count, 100);
	cr_expect_float_eq(m->endpoints[0].p50_ms, 10, 0.02);
	cr_expect_float_eq(m->endpoints[0].p99_ms, 10, 0.02);
	cr_expect_float_eq(m->endpoints[0].max_ms, 500, 0.5);
	cr_expect_str_eq(m->endpoints[1].route, "/health");
	cr_expect_eq(m->endpoints[1].count, 20);
	model_free(m);
}

Test(endpoints, count_how_many_took_how_long_at_most)
{
	static struct recording r;
	static struct lane lane;
	const struct model_latency *l;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	serve(&lane, 1, 3, 2);
	serve(&lane, 1, 4, 40);
	serve(&lane, 1, 1, 20000);
	end(&r, &lane);
	m = load();
	l = &m->endpoints[0].took;
	cr_expect_eq(l->count, 8);
	cr_expect_float_eq(l->sum_s, 20.166, 0.02);
	cr_expect_eq(l->within[1], 0);	/* 1 ms */
	cr_expect_eq(l->within[2], 3);	/* 2.5 ms */
	cr_expect_eq(l->within[6], 7);	/* 50 ms */
	cr_expect_eq(l->within[17], 7); /* 15 s */
	cr_expect_eq(l->within[18], 8); /* 30 s */
	cr_assert_eq(l->bucket_count, 3);
	cr_expect_eq(l->buckets[1].count, 4);
	cr_expect_leq(l->buckets[1].low_ms, 40);
	cr_expect_geq(l->buckets[1].high_ms, 40);
	cr_expect_eq(m->endpoints[0].gap.count, 0);
	model_free(m);
}

Test(endpoints, fill_the_windows_with_their_requests)
{
	static struct recording r;
	static struct lane lane;
	double sum = 0, of_endpoint = 0;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	serve(&lane, 1, 250, 10);
	end(&r, &lane);
	m = load();
	for (uint32_t w = 0; w < m->window_count; w++) {
		sum += m->windows[w].requests;
		of_endpoint += m->endpoints[0].windows[w];
	}
	cr_expect_eq(sum, 250);
	cr_expect_eq(of_endpoint, 250);
	cr_expect_gt(m->windows[0].requests, 0);
	cr_expect_float_eq(m->endpoints[0].window_mean_ms[0], 10, 0.01);
	cr_expect(isnan(m->endpoints[0].window_max_ms[m->window_count - 1]));
	cr_expect_eq(m->windows[m->window_count - 1].requests, 0);
	model_free(m);
}

Test(endpoints, are_charged_per_request)
{
	static struct recording r;
	static struct lane lane;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	lane_alloc(&lane, 5, 7777, 0x10000, T0); /* for nobody */
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t at = T0 + i * MS;

		lane_context(&lane, 1, at);
		lane_alloc(&lane, 5, 300, 0x20000 + i * 4096, at);
		lane_alloc(&lane, 6, 100, 0x20800 + i * 4096, at);
		lane_free(&lane, 0x20800 + i * 4096, at);
		lane_request(&lane, 1, 200, REQUEST_ALONE, MS, at);
	}
	end(&r, &lane);
	m = load();
	cr_expect_eq(m->endpoints[0].alloc_bytes_per_request, 400);
	cr_expect_eq(m->endpoints[0].alloc_objects_per_request, 2);
	cr_expect_eq(m->endpoints[0].peak_bytes_per_request, 400);
	cr_expect_eq(m->endpoints[0].retained_bytes_per_request, 300);
	model_free(m);
}

Test(endpoints, of_which_no_allocation_is_known_do_not_say_none)
{
	static struct recording r;
	static struct lane lane;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	lane_alloc(&lane, 5, 7777, 0x10000, T0);
	lane_request(&lane, 1, 200, 0, MS, T0 + MS); /* on some thread */
	end(&r, &lane);
	m = load();
	cr_expect(isnan(m->endpoints[0].alloc_bytes_per_request));
	cr_expect(isnan(m->endpoints[0].retained_bytes_per_request));
	model_free(m);
}

Test(endpoints, whose_route_was_lost_are_still_counted)
{
	static struct recording r;
	static struct lane lane;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	serve(&lane, 9, 5, 10);
	serve(&lane, 0, 2, 10);
	end(&r, &lane);
	m = load();
	cr_assert_eq(m->endpoint_count, 1);
	cr_expect_eq(m->endpoints[0].count, 7);
	cr_expect_str_eq(m->endpoints[0].route, "_OTHER");
	model_free(m);
}

Test(endpoints, share_what_a_site_allocated)
{
	static struct recording r;
	static struct lane lane;
	const struct model_site *s;
	struct model *m;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	lane_context(&lane, 1, T0);
	lane_alloc(&lane, 5, 300, 0x10000, T0 + MS);
	lane_alloc(&lane, 5, 200, 0x11000, T0 + MS);
	lane_free(&lane, 0x11000, T0 + 2 * MS);
	lane_context(&lane, 2, T0 + 3 * MS);
	lane_alloc(&lane, 5, 100, 0x12000, T0 + 4 * MS);
	lane_context(&lane, 0, T0 + 5 * MS);
	lane_alloc(&lane, 5, 50, 0x13000, T0 + 6 * MS);
	end(&r, &lane);
	m = load();
	cr_assert_eq(m->site_count, 1);
	s = m->sites;
	cr_assert_eq(s->charge_count, 2);
	cr_expect_str_eq(s->charges[0].route, "GET /health");
	cr_expect_eq(s->charges[0].live, 100);
	cr_expect_str_eq(s->charges[1].route, "POST /chat");
	cr_expect_eq(s->charges[1].live, 300);
	cr_expect_eq(s->charges[1].allocated, 500);
	cr_expect_str_eq(s->route, "POST /chat");
	cr_expect_eq(s->allocated.bytes, 650);
	cr_assert_eq(s->maker_count, 3);
	cr_expect_null(s->makers[0].route);
	cr_expect_eq(s->makers[0].live, 50);
	cr_expect_str_eq(s->makers[2].route, "POST /chat");
	cr_expect_eq(s->makers[2].live, 300);
	cr_expect_eq(s->makers[2].allocated_count, 2);
	cr_expect_lt(s->makers[2].thread, m->thread_count);
	model_free(m);
}

/* The same process, seen from within and by the kernel, a request apart. */
static struct model *seen_twice(uint64_t by_shim, uint64_t by_kernel)
{
	static struct recording r;
	static struct lane lane;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	serve(&lane, 1, by_shim, 10);
	end(&r, &lane);
	begin(&r, &lane, "1.probe.slabs", 1, health_first);
	serve(&lane, 2, by_kernel, 12);
	end(&r, &lane);
	return load();
}

Test(endpoints, seen_twice_are_counted_once_and_as_the_kernel_saw_them)
{
	struct model *m = seen_twice(100, 101);

	cr_assert_eq(m->endpoint_count, 1);
	cr_expect_str_eq(m->endpoints[0].route, "/chat");
	cr_expect_eq(m->endpoints[0].count, 101);
	cr_expect_float_eq(m->endpoints[0].p50_ms, 12, 0.02);
	cr_expect(m->requests_by_kernel);
	cr_expect_not(m->requests_by_shim);
	model_free(m);
}

Test(endpoints, keep_what_the_shim_knows_of_those_that_the_kernel_timed)
{
	struct model *m = seen_twice(100, 100);

	cr_expect_eq(m->endpoints[0].alone, 200);
	cr_expect_eq(m->endpoints[0].alloc_bytes_per_request, 0);
	model_free(m);
}

Test(endpoints, are_the_shims_where_the_kernel_saw_none)
{
	struct model *m = seen_twice(100, 0);

	cr_expect_eq(m->endpoints[0].count, 100);
	cr_expect(m->requests_by_shim);
	cr_expect_not(m->requests_by_kernel);
	model_free(m);
}

Test(endpoints, have_percentiles_as_hdrhistogram_writes_them)
{
	struct model *m = seen_twice(0, 100);

	cr_assert_not_null(m->endpoints[0].percentiles);
	cr_expect_not_null(
		strstr(m->endpoints[0].percentiles, "1/(1-Percentile)"));
	cr_expect_not_null(strstr(m->endpoints[0].percentiles,
				  "Total count    =          100]"));
	model_free(m);
}

/* A client that waits, and meets a stall of two seconds. */
Test(endpoints, of_clients_that_wait_are_corrected_for_what_they_did_not_ask)
{
	static struct recording r;
	static struct lane lane;
	struct model *m;
	uint64_t at = T0;

	begin(&r, &lane, "1.slabs", 1, chat_first);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t took = i == 200 ? 2000 : i % 2 ? 4 : 6;

		at += took * MS;
		lane_request(&lane, 1, 200, REQUEST_ALONE, took * MS, at);
		at += MS / 10;
	}
	end(&r, &lane);
	m = load();
	cr_assert_eq(m->load.kind, MODEL_LOAD_CLOSED);
	cr_expect_eq(m->load.clients, 1);
	cr_expect(m->endpoints[0].p99_ms < 7);
	/* Of the 400 that it did not ask half would have waited a second. */
	cr_expect(m->endpoints[0].corrected.p95_ms > 1500, "%f",
		  m->endpoints[0].corrected.p95_ms);
	model_free(m);
}
