#include "tests/unit/verdict_rig.h"

TestSuite(refine, .init = setup);

static double replaced(uint32_t w)
{
	return (16 << 20) - leak(w);
}

Test(refine, what_one_place_gains_and_another_gives_back_is_clean)
{
	struct verdict *v;

	site(0, in_cache, leak);
	site(1, in_parse, replaced);
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

/* As much as all leaks of the recording, up and down. */
static double comes_and_goes(uint32_t w)
{
	return (1 + w * 7919 % 13) * 512.0 * RATE * 10;
}

Test(refine, what_another_gives_back_is_seen_through_what_comes_and_goes)
{
	struct verdict *v;

	site(0, in_cache, leak);
	site(1, in_parse, replaced);
	site(2, in_main, comes_and_goes);
	v = judge();
	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

static double drops_early(uint32_t w)
{
	return w < 10 ? leak(WINDOWS) : 0;
}

static double gives_half(uint32_t w)
{
	return (16 << 20) - leak(w) / 2;
}

Test(refine, what_was_given_back_at_the_start_excuses_no_growth)
{
	struct verdict *v;

	site(0, in_cache, leak);
	site(1, in_parse, drops_early);
	v = judge();
	cr_expect_neq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

Test(refine, what_gives_half_of_the_growth_excuses_none)
{
	struct verdict *v;

	site(0, in_cache, leak);
	site(1, in_parse, gives_half);
	site(2, in_main, comes_and_goes);
	v = judge();
	cr_expect_neq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

Test(refine, what_no_root_reaches_leaks_whatever_others_give_back)
{
	struct model_site *s;
	struct verdict *v;

	s = site(0, in_cache, leak);
	s->unreachable.bytes = s->unreachable.twice_bytes = s->live.bytes;
	site(1, in_parse, replaced)->unreachable.bytes = 0;
	v = judge();
	cr_expect_eq(v->class, FINDING_LEAK, "%s", v->sentence);
	verdict_free(v);
}

Test(refine, two_lines_of_a_function_are_one_finding)
{
	struct verdict *v;

	site(0, in_parse, leak);
	site(1, in_parse_too, leak);
	v = judge();
	cr_assert_eq(v->finding_count, 1);
	cr_expect_float_eq(v->findings[0].bytes_per_request.value, 2048, 2);
	verdict_free(v);
}

Test(refine, what_hangs_on_a_lost_block_that_was_not_sampled_is_lost_too)
{
	struct model_site *lost, *held;
	struct verdict *v;

	f.model.mode = "sample";
	f.model.mean_bytes = 1024;
	lost = site(0, in_parse, leak);
	held = site(1, in_parse_too, leak);
	lost->unreachable.bytes = lost->unreachable.twice_bytes =
		lost->live.bytes;
	held->unreachable.bytes = held->unreachable.twice_bytes = 0;
	v = judge();
	cr_assert_eq(v->finding_count, 1, "%s", v->sentence);
	cr_expect_eq(v->findings[0].class, FINDING_LEAK);
	cr_expect(v->findings[0].evidence.definite);
	verdict_free(v);
	f.model.mode = "exact"; /* all blocks are on record: it is held */
	f.model.mean_bytes = 0;
	v = judge();
	cr_expect_eq(v->finding_count, 2);
	verdict_free(v);
}

static double maps(uint32_t w)
{
	return 65536 * RATE * w;
}

static double list_of_maps(uint32_t w)
{
	return 8 * RATE * w;
}

Test(refine, the_list_of_what_a_function_maps_is_no_finding_of_its_own)
{
	struct verdict *v;

	site(0, in_parse_too, list_of_maps);
	site(1, in_parse, flat);
	for (uint32_t w = 0; w < WINDOWS; w++)
		levels[1][w].mapped = maps(w);
	v = judge();
	cr_expect_eq(v->class, FINDING_MAPPINGS, "%s", v->sentence);
	cr_expect_eq(v->finding_count, 1, "%s", v->sentence);
	verdict_free(v);
}

static double threads_mapped(uint32_t w)
{
	return 16384.0 * w;
}

/* A thread more in each window, and so many of them @map. */
static void map_in_threads(uint32_t map)
{
	static struct model_thread threads[WINDOWS];
	static struct model_maker makers[WINDOWS];
	struct model_site *s = site(0, in_main, flat);

	for (uint32_t w = 0; w < WINDOWS; w++) {
		ledger[w].threads = 4 + w;
		levels[0][w].mapped = threads_mapped(w);
		threads[w].began = windows[w].t;
		threads[w].ended = -1;
		makers[w].thread = w;
		makers[w].allocated = 16384;
	}
	s->mapped = threads_mapped(WINDOWS);
	s->makers = makers;
	s->maker_count = map;
	f.model.threads = threads;
	f.model.thread_count = WINDOWS;
}

Test(refine, what_each_new_thread_maps_is_the_threads)
{
	struct verdict *v;

	map_in_threads(WINDOWS);
	v = judge();
	cr_expect_eq(v->class, FINDING_THREADS, "%s", v->sentence);
	cr_expect_eq(v->finding_count, 1);
	verdict_free(v);
}

Test(refine, what_some_threads_map_is_a_finding_beside_the_threads)
{
	struct verdict *v;

	map_in_threads(8);
	v = judge();
	cr_expect_eq(v->class, FINDING_MAPPINGS, "%s", v->sentence);
	cr_expect_eq(v->finding_count, 2);
	verdict_free(v);
}

/* As in a pool that grows, whose threads serve requests that map. */
Test(refine, what_threads_map_again_and_again_is_a_finding_beside_them)
{
	struct model_maker *makers;
	struct verdict *v;

	map_in_threads(WINDOWS);
	makers = (struct model_maker *)f.sites[0].makers;
	for (uint32_t w = 0; w < WINDOWS; w++)
		makers[w].allocated = 4096 * (WINDOWS - w);
	v = judge();
	cr_expect_eq(v->class, FINDING_MAPPINGS, "%s", v->sentence);
	cr_expect_eq(v->finding_count, 2);
	verdict_free(v);
}

Test(refine, what_threads_mapped_that_ended_is_none_of_the_others)
{
	struct verdict *v;

	map_in_threads(WINDOWS);
	for (uint32_t w = 0; w < WINDOWS; w++)
		f.model.threads[w].ended = 1;
	v = judge();
	cr_expect_eq(v->class, FINDING_MAPPINGS, "%s", v->sentence);
	verdict_free(v);
}

static void hold(struct model_site *s, const char *holder)
{
	s->unreachable.bytes = s->unreachable.twice_bytes = 0;
	s->object_type = "str";
	s->holder = holder;
}

Test(refine, what_one_container_holds_is_one_finding)
{
	struct verdict *v;

	hold(site(0, in_parse, leak), "app.answers");
	hold(site(1, in_cache, leak), "app.answers");
	v = judge();
	cr_assert_eq(v->finding_count, 1, "%s", v->sentence);
	cr_expect_float_eq(v->findings[0].bytes_per_request.value, 2048, 2);
	cr_expect_str_eq(v->findings[0].objects, "str held by app.answers");
	verdict_free(v);
}

Test(refine, what_two_containers_hold_is_two_findings)
{
	struct verdict *v;

	hold(site(0, in_parse, leak), "app.answers");
	hold(site(1, in_cache, leak), "app.questions");
	v = judge();
	cr_expect_eq(v->finding_count, 2, "%s", v->sentence);
	verdict_free(v);
}

static struct verdict *judge_ring(double given_size)
{
	struct model_site *ring = site(0, in_cache, leak),
			  *first = site(1, in_parse, replaced);

	ring->live.count = ring->live.bytes / 48;
	ring->unreachable.bytes = ring->unreachable.twice_bytes =
		ring->live.bytes;
	first->live.count = first->live.bytes / given_size;
	first->unreachable.bytes = 0;
	return judge();
}

/* As where handles are kept as numbers. */
Test(refine, what_fills_the_places_of_blocks_as_large_is_not_lost)
{
	struct verdict *v = judge_ring(48);

	cr_expect_eq(v->class, FINDING_CLEAN, "%s", v->sentence);
	verdict_free(v);
}

Test(refine, what_leaks_while_blocks_of_another_size_go_is_lost)
{
	struct verdict *v = judge_ring(96);

	cr_expect_eq(v->class, FINDING_LEAK, "%s", v->sentence);
	verdict_free(v);
}
