#include "profiler/analysis/verdict.h"

#include <math.h>

#include "profiler/analysis/leaks.h"
#include "profiler/model/wrappers.h"
#include "tests/unit/verdict_rig.h"

static struct model_endpoint endpoint = { .method = "POST",
					  .route = "/api/v1/chat" };

TestSuite(verdict, .init = setup);

static double fills(uint32_t w)
{
	return w < 40 ? 1024 * RATE * w : 1024 * RATE * 40;
}

Test(verdict, what_grows_and_is_never_given_back_leaks)
{
	struct verdict *v;

	site(0, in_main, flat);
	site(1, in_parse, leak);
	v = judge();
	cr_assert_eq(v->class, FINDING_LEAK, "%s", v->sentence);
	cr_assert_eq(v->finding_count, 1);
	cr_expect_str_eq(v->findings[0].function, "parse_prompt");
	cr_expect_eq(v->findings[0].line, 88);
	cr_expect_float_eq(v->findings[0].bytes_per_request.value, 1024, 1);
	cr_expect_float_eq(v->findings[0].bytes_per_second.value, 102400, 100);
	cr_expect_eq(v->findings[0].evidence.survivors, 1);
	cr_expect_str_eq(v->sentence, "leaks 1,024 bytes per request in "
				      "parse_prompt (parser.c:88)");
	verdict_free(v);
}

Test(verdict, the_endpoint_of_nearly_all_requests_is_named)
{
	struct verdict *v;

	endpoint.count = f.model.requests = 6000;
	f.model.endpoints = &endpoint;
	f.model.endpoint_count = 1;
	site(0, in_parse, leak);
	v = judge();
	cr_expect_str_eq(v->sentence,
			 "leaks 1,024 bytes per POST /api/v1/chat in "
			 "parse_prompt (parser.c:88)");
	verdict_free(v);
}

Test(verdict, what_roots_reach_grows)
{
	struct model_site *s;
	struct verdict *v;

	s = site(0, in_cache, leak);
	s->unreachable.bytes = s->unreachable.twice_bytes = 0;
	v = judge();
	cr_expect_eq(v->class, FINDING_GROWTH, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, unreachable_twice_is_definite)
{
	struct model_site *s;
	struct verdict *v;

	s = site(0, in_cache, leak);
	s->unreachable.bytes = s->live.bytes;
	s->unreachable.twice_bytes = s->live.bytes * 0.9;
	v = judge();
	cr_assert_eq(v->class, FINDING_LEAK);
	cr_expect(v->findings[0].evidence.definite);
	verdict_free(v);
}

/* One in a hundred blocks is on record: a neighbour of few. */
static struct verdict *judge_sampled(double unreachable)
{
	struct model_site *s = site(0, in_cache, leak);

	f.model.mean_bytes = 65536;
	s->live.count = 6000;
	s->live.count_variance = 6000 * 99;
	s->unreachable.bytes = unreachable * s->live.bytes;
	s->unreachable.twice_bytes = s->unreachable.bytes / 2;
	return judge();
}

Test(verdict, a_cycle_shows_where_both_blocks_are_on_record)
{
	struct verdict *v = judge_sampled(0.01);

	cr_expect_eq(v->class, FINDING_LEAK, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, what_is_nearly_all_reachable_grows)
{
	struct verdict *v = judge_sampled(0.001);

	cr_expect_eq(v->class, FINDING_GROWTH, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, what_fills_and_stops_is_clean)
{
	struct verdict *v;

	site(0, in_cache, fills);
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	cr_expect_eq(strncmp(v->sentence, "clean: 5,900 requests, growth below",
			     30),
		     0, "%s", v->sentence);
	verdict_free(v);
}

static double stands(uint32_t w)
{
	(void)w;
	return 1.5e6;
}

/* Three means in 5,900 requests. */
Test(verdict, growth_that_no_sample_would_show_is_not_ruled_out)
{
	struct verdict *v;

	site(0, in_cache, stands);
	f.model.mean_bytes = 512 * 1024;
	v = judge();
	cr_expect_str_eq(v->sentence, "clean: 5,900 requests, growth below 300 "
				      "bytes per request");
	verdict_free(v);
}

/* Sawtooths of many threads, in step at first: the least of their sum rises
 * until they are not. */
static double falls_out_of_step(uint32_t w)
{
	double noise = (double)(w * 2654435761u >> 8 & 0xffff) / 65536 - 0.5;

	return 1.5e6 + 1.2e6 * (1 - exp(-(double)w / 50)) + 1.6e6 * noise;
}

Test(verdict, what_comes_and_goes_and_falls_out_of_step_is_clean)
{
	struct verdict *v;

	site(0, in_cache, falls_out_of_step);
	for (uint32_t w = 0; w < WINDOWS; w++)
		levels[0][w].allocated = 2e7;
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

static double kept_longer(uint32_t w)
{
	return 1e5 + 3e5 / (1 + exp(-((double)w - 60) / 10)) +
	       1e4 * (w * 7919 % 13) / 13;
}

/* As the load falls, more of the same blocks are older than a window. */
Test(verdict, what_only_gets_older_does_not_grow)
{
	struct verdict *v;

	site(0, in_cache, kept_longer);
	for (uint32_t w = 0; w < WINDOWS; w++) {
		levels[0][w].allocated = 2e7;
		levels[0][w].end = levels[0][w].low = 5e5;
	}
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, without_requests_growth_is_by_the_second)
{
	struct verdict *v;

	for (uint32_t w = 0; w < WINDOWS; w++)
		windows[w].requests = 0;
	site(0, in_parse, leak);
	v = judge();
	cr_assert_eq(v->class, FINDING_LEAK);
	cr_expect(isnan(v->findings[0].bytes_per_request.value));
	cr_expect_str_eq(v->sentence, "leaks 102,400 bytes per second in "
				      "parse_prompt (parser.c:88)");
	verdict_free(v);
}

Test(verdict, three_seconds_are_too_short)
{
	struct verdict *v;

	f.model.window_count = 6;
	f.model.duration = 3;
	site(0, in_parse, leak);
	v = judge();
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE);
	cr_expect_gt(v->needs.seconds, 10);
	cr_expect_not_null(strstr(v->sentence, "too short"), "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, what_stood_before_the_first_readable_byte_is_no_growth)
{
	struct verdict *v;

	f.model.headless = true;
	site(0, in_parse, leak);
	v = judge();
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE);
	cr_expect_eq(v->finding_count, 0);
	cr_expect_str_eq(v->sentence, "inconclusive: the beginning of the "
				      "recording cannot be read");
	verdict_free(v);
}

Test(verdict, threads_that_stay_are_told_by_who_starts_them)
{
	struct verdict *v;

	for (uint32_t w = 0; w < WINDOWS; w++)
		ledger[w].threads = 4 + w;
	site(0, (int8_t[]) { MAIN, CACHE, THREAD, -1 }, leak);
	wrappers_mark(&f.model);
	v = judge();
	cr_assert_eq(v->class, FINDING_THREADS, "%s", v->sentence);
	cr_expect_str_eq(v->findings[0].function, "cache_put");
	cr_expect_float_eq(v->findings[0].bytes_per_second.value, 2, 0.01);
	verdict_free(v);
}

Test(verdict, descriptors_that_stay_are_found)
{
	struct verdict *v;

	for (uint32_t w = 0; w < WINDOWS; w++)
		ledger[w].fds = 20 + w / 2;
	v = judge();
	cr_expect_eq(v->class, FINDING_FDS, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, what_no_block_holds_is_retention)
{
	struct verdict *v;

	site(0, in_main, flat);
	for (uint32_t w = 0; w < WINDOWS; w++) {
		ledger[w].heap += (uint64_t)w << 20;
		ledger[w].rss += (uint64_t)w << 20;
	}
	v = judge();
	cr_assert_eq(v->class, FINDING_RETENTION, "%s", v->sentence);
	cr_expect_float_eq(v->growth.rss / MIB, 116, 3);
	cr_expect_float_eq(v->growth.retained / MIB, 116, 3);
	verdict_free(v);
}

/* A recording of programs in the kernel: pages, and no blocks. */
static struct model_site *look_at_pages_only(void)
{
	struct model_site *s = fixture_site(&f, in_parse);

	f.model.mode = "probes";
	f.model.live_trend.peak = 0;
	memset(&f.model.totals, 0, sizeof(f.model.totals));
	s->paged = true;
	s->resident = 100 * MIB;
	return s;
}

Test(verdict, pages_that_grow_are_not_said_to_be_the_allocator_s)
{
	struct verdict *v;

	look_at_pages_only();
	for (uint32_t w = 0; w < WINDOWS; w++) {
		ledger[w].heap += (uint64_t)w << 20;
		ledger[w].rss += (uint64_t)w << 20;
	}
	v = judge();
	cr_assert_eq(v->class, FINDING_GROWTH, "%s", v->sentence);
	cr_expect_str_eq(v->findings[0].function, "parse_prompt");
	cr_expect(isnan(v->growth.live) && isnan(v->growth.retained));
	cr_expect_not_null(strstr(v->sentence, "blocks were not looked at"),
			   "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, pages_that_stand_still_rule_out_growth_of_rss_alone)
{
	struct verdict *v;

	look_at_pages_only();
	v = judge();
	cr_assert_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	cr_expect_not_null(strstr(v->sentence, "growth of RSS below"), "%s",
			   v->sentence);
	verdict_free(v);
}

Test(verdict, ten_seconds_of_pages_are_too_short_for_a_clean_bill)
{
	struct verdict *v;

	look_at_pages_only();
	f.model.window_count = 20;
	f.model.duration = 10;
	v = judge();
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, mappings_that_stay_are_found)
{
	struct verdict *v;
	struct model_site *s = site(0, in_cache, flat);

	for (uint32_t w = 0; w < WINDOWS; w++)
		levels[0][w].mapped = 65536.0 * w;
	s->mapped = 65536.0 * WINDOWS;
	v = judge();
	cr_assert_eq(v->class, FINDING_MAPPINGS, "%s", v->sentence);
	cr_expect_str_eq(v->findings[0].function, "cache_put");
	verdict_free(v);
}

/* RSS grows; what of it is private is read every thirtieth time only. */
static void grow_rss(double private_share)
{
	for (uint32_t w = 0; w < WINDOWS; w++) {
		ledger[w].rss += w << 20;
		ledger[w].anonymous +=
			(uint64_t)(private_share * (double)(w << 20));
		if (w % 30 && w != WINDOWS - 1)
			ledger[w].anonymous = ledger[w].heap = UINT64_MAX;
	}
}

Test(verdict, what_is_retained_between_thorough_readings_is_told_by_rss)
{
	struct verdict *v;

	grow_rss(1);
	v = judge();
	cr_expect_eq(v->class, FINDING_RETENTION, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, pages_of_files_are_not_retained)
{
	struct verdict *v;

	grow_rss(0);
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

/* A crowd every so often; returns how many came before window @w. */
static double crowds(uint32_t w)
{
	return w / 11 * 11 * RATE + (w % 11 < 6 ? 1 : 50) * (w % 11);
}

Test(verdict, what_crowds_leave_is_counted_when_they_came)
{
	struct verdict *v;
	struct model_site *s = site(0, in_cache, flat);

	for (uint32_t w = 0; w < WINDOWS; w++) {
		windows[w].requests = crowds(w + 1) - crowds(w);
		levels[0][w].mapped = 4096 * crowds(w + 1);
		ledger[w].t += 0.2;
		ledger[w].fds = 20 + (uint64_t)(0.1 * (0.6 * crowds(w) +
						       0.4 * crowds(w + 1)));
	}
	s->mapped = 4096 * crowds(WINDOWS);
	v = judge();
	cr_assert_eq(v->finding_count, 2, "%s", v->sentence);
	cr_expect_eq(v->findings[0].class, FINDING_MAPPINGS);
	cr_expect_float_eq(v->findings[0].bytes_per_request.value, 4096, 4);
	cr_expect_eq(v->findings[1].class, FINDING_FDS);
	cr_expect_float_eq(v->findings[1].bytes_per_request.value, 0.1, 0.001);
	verdict_free(v);
}

Test(verdict, what_is_suppressed_does_not_count)
{
	struct verdict *v;

	site(0, in_parse, leak);
	v = judge();
	v->findings[0].suppressed = true;
	cr_assert_eq(verdict_settle(v), 0);
	cr_expect_eq(v->class, FINDING_CLEAN);
	verdict_free(v);
}

Test(verdict, a_model_of_nothing_is_inconclusive)
{
	struct model *m = model_new();
	struct err err = ERR_INIT;
	struct verdict *v;

	m->name = "empty";
	cr_assert_eq(verdict_of(&v, m, &err), 0);
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE);
	verdict_free(v);
	model_free(m);
}

Test(verdict, what_leaked_is_marked_at_its_sites)
{
	struct verdict *v;

	site(0, in_main, flat);
	site(1, in_parse, leak);
	v = judge();
	cr_assert_eq(leaks_mark(&f.model, v), 0);
	cr_expect_eq(f.sites[0].leaked, 0);
	cr_expect_eq(f.sites[1].leaked, 1024 * RATE * (WINDOWS - 2));
	cr_expect_eq(model_site_weight(&f.sites[1], MODEL_LEAK),
		     f.sites[1].leaked);
	verdict_free(v);
}

/* A block in each fifteenth second: too few for a trend. */
static double seldom(uint32_t w)
{
	return (double)(MIB / 2 * ((w + 15) / 30));
}

Test(verdict, what_is_lost_now_and_then_leaks_though_it_is_no_trend)
{
	struct model_site *s = site(0, in_parse, seldom);
	struct verdict *v;

	f.model.mean_bytes = 512 * 1024;
	s->allocated.bytes_variance = s->allocated.bytes * MIB / 2;
	s->unreachable.bytes = s->unreachable.twice_bytes = s->live.bytes;
	v = judge();
	cr_assert_eq(v->class, FINDING_LEAK, "%s", v->sentence);
	cr_expect(v->findings[0].evidence.definite);
	cr_expect_float_eq(v->findings[0].bytes_per_request.value,
			   2 * MIB / 5950, 10);
	cr_expect_lt(v->findings[0].bytes_per_request.low, 200);
	verdict_free(v);
}

Test(verdict, what_was_lost_once_is_no_leak_that_goes_on)
{
	struct model_site *s = site(0, in_parse, fills);
	struct verdict *v;

	s->unreachable.bytes = s->unreachable.twice_bytes = s->live.bytes;
	v = judge();
	cr_assert_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, the_endpoint_that_it_grows_for_is_named)
{
	struct model_endpoint two[] = {
		{ .method = "GET", .route = "/health", .count = 4500 },
		{ .method = "POST", .route = "/api/v1/chat", .count = 1500 },
	};
	struct model_site *s = site(0, in_parse, leak);
	struct verdict *v;

	f.model.endpoints = two;
	f.model.endpoint_count = 2;
	f.model.requests = 6000;
	s->route = "POST /api/v1/chat";
	s->route_share = 0.97;
	v = judge();
	cr_expect_str_eq(v->findings[0].endpoint, "POST /api/v1/chat");
	cr_expect_float_eq(v->findings[0].bytes_per_request.value, 4096, 4);
	verdict_free(v);
}

/* What requests hold while they are answered, which takes longer and longer;
 * an eighth of what they allocate stays a while. */
static double at_work(uint32_t w)
{
	return 20000 + 300 * w;
}

Test(verdict, what_requests_at_work_hold_is_no_growth)
{
	static double counts[WINDOWS], means[WINDOWS];
	struct model_endpoint chat = {
		.method = "POST",
		.route = "/api/v1/chat",
		.count = WINDOWS * RATE,
		.windows = counts,
		.window_mean_ms = means,
	};
	struct model_site *s = site(0, in_parse, at_work);
	struct verdict *v;

	for (uint32_t w = 0; w < WINDOWS; w++) {
		counts[w] = RATE;
		means[w] = 300;
		levels[0][w].allocated = 4 * 300;
	}
	f.model.endpoints = &chat;
	f.model.endpoint_count = 1;
	f.model.requests = chat.count;
	s->route = "POST /api/v1/chat";
	s->route_share = 1;
	/* 30 of them at a time, each with 1 KiB of the place's. */
	s->allocated.bytes = 1024.0 * (double)chat.count;
	v = judge();
	cr_expect_eq(v->finding_count, 0, "%s", v->sentence);
	verdict_free(v);
	means[WINDOWS - 1] = NAN; /* a window without any */
	for (uint32_t w = 0; w < WINDOWS; w++)
		means[w] /= 10; /* of 3 at a time that is too much */
	v = judge();
	cr_expect_eq(v->finding_count, 1, "%s", v->sentence);
	verdict_free(v);
}

/* Few samples, all in the first half; lost by the one scan there was. */
static double stops(uint32_t w)
{
	return w < 10 ? 0 : 45000 * (w < 60 ? w / 10 : 6);
}

Test(verdict, blocks_lost_again_and_again_leave_the_verdict_open)
{
	struct model_site *s;
	struct verdict *v;

	f.model.mode = "sample";
	f.model.mean_bytes = 65536;
	s = site(0, in_parse, stops);
	s->samples = 6;
	s->allocated.bytes = 1.2 * s->live.bytes;
	v = judge();
	cr_assert_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
	s->unreachable.bytes = 0.8 * s->live.bytes;
	v = judge();
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE, "%s", v->sentence);
	verdict_free(v);
}

static double two(uint32_t w)
{
	return 65536.0 * ((w > 20) + (w > 40));
}

Test(verdict, two_samples_that_two_scans_found_lost_leave_the_verdict_open)
{
	struct model_site *s;
	struct verdict *v;

	f.model.mode = "sample";
	f.model.mean_bytes = 65536;
	s = site(0, in_parse, two);
	s->samples = 2;
	s->unreachable.bytes = s->live.bytes;
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
	s->unreachable.twice_bytes = 65536;
	v = judge();
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE, "%s", v->sentence);
	verdict_free(v);
}

/* A sample in each eighth second: seven are too few for a trend. */
static double kept_seldom(uint32_t w)
{
	return 65536.0 * ((w + 9) / 17);
}

static double huge(uint32_t w)
{
	(void)w;
	return 512 * MIB;
}

Test(verdict, blocks_kept_again_and_again_leave_the_verdict_open)
{
	struct model_site *s;
	struct verdict *v;

	f.model.mode = "sample";
	f.model.mean_bytes = 65536;
	site(0, in_main, huge);
	f.model.totals.live.bytes = 512 * MIB;
	s = site(1, in_cache, kept_seldom);
	s->samples = 7;
	s->unreachable.bytes = 0;
	s->allocated.bytes_variance = s->allocated.bytes * 65536;
	v = judge();
	cr_expect_eq(v->class, FINDING_INCONCLUSIVE, "%s", v->sentence);
	verdict_free(v);
	for (uint32_t w = 0; w < WINDOWS; w++) /* half of it is replaced */
		levels[1][w].allocated *= 2;
	s->allocated.bytes *= 2;
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

/* 48 bytes a window: 119 of them, or 40. */
static double little(uint32_t w)
{
	return 48 * w;
}

Test(verdict, a_few_blocks_in_a_few_seconds_are_the_beginning_of_any_cache)
{
	struct model_site *s = site(0, in_cache, little);
	struct verdict *v;

	s->unreachable.bytes = 0;
	s->samples = WINDOWS;
	f.model.window_count = 40;
	f.model.duration = 20;
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
	s->samples = 50 * WINDOWS; /* the same of many small ones */
	v = judge();
	cr_expect_eq(v->class, FINDING_GROWTH, "%s", v->sentence);
	verdict_free(v);
}

Test(verdict, a_few_blocks_in_a_minute_grow)
{
	struct model_site *s = site(0, in_cache, little);
	struct verdict *v;

	s->unreachable.bytes = 0;
	s->samples = WINDOWS;
	v = judge();
	cr_expect_eq(v->class, FINDING_GROWTH, "%s", v->sentence);
	verdict_free(v);
}
