/* phases: what happened between marks. */
#include <criterion/criterion.h>
#include <math.h>

#include "profiler/analysis/phases.h"
#include "profiler/model/model.h"

#define UNREAD UINT64_MAX

static struct model_mark marks[2] = { { 10, "load" }, { 15, "deploy" } };
static struct model_window windows[4] = {
	{ .t = 0, .requests = 100, .errors = 4, .allocated_bytes = 1000 },
	{ .t = 10, .requests = 200, .allocated_bytes = 4000 },
	{ .t = 20, .requests = 40 },
};
static double by_window[3] = { 100, 200, 40 };
static double means[3] = { 2, 4, NAN }, longest[3] = { 9, 7, NAN };
static struct model_endpoint endpoint = { .windows = by_window,
					  .window_mean_ms = means,
					  .window_max_ms = longest };
static struct model_ledger_point ledger[4] = {
	{ .t = 1, .pid = 7, .rss = 100, .live = 50, .retained = UNREAD },
	{ .t = 9, .pid = 8, .rss = 999, .live = 999, .retained = UNREAD },
	{ .t = 9, .pid = 7, .rss = 300, .live = 60, .retained = UNREAD },
	{ .t = 14, .pid = 7, .rss = 700, .live = 90, .retained = UNREAD },
};
static struct model_process processes[2] = { { .pid = 8 }, { .pid = 7 } };

static struct model marked(uint32_t count)
{
	return (struct model) {
		.duration = 30,
		.marks = marks,
		.mark_count = count,
		.windows = windows,
		.window_count = 3,
		.window_seconds = 10,
		.endpoints = &endpoint,
		.endpoint_count = 1,
		.ledger = ledger,
		.ledger_count = 4,
		.processes = processes,
		.process_count = 2,
		.main_process = 1,
	};
}

static struct phase phase(uint32_t count, uint32_t n)
{
	struct model m = marked(count);
	struct phase p;

	phases_get(&m, n, &p);
	return p;
}

Test(phases, without_marks_there_are_none)
{
	struct model m = marked(0);

	cr_assert_eq(phases_count(&m), 0);
}

Test(phases, what_is_before_the_first_mark_has_no_name)
{
	struct model m = marked(2);
	struct phase p = phase(2, 0);

	cr_assert_eq(phases_count(&m), 3);
	cr_assert_null(p.label);
	cr_assert_eq(p.from, 0);
	cr_assert_eq(p.to, 10);
}

Test(phases, a_mark_at_the_start_leaves_nothing_before_it)
{
	struct model_mark at_start = { 0, "all" };
	struct model m = marked(1);
	struct phase p;

	m.marks = &at_start;
	phases_get(&m, 0, &p);
	cr_assert_eq(phases_count(&m), 1);
	cr_assert_str_eq(p.label, "all");
	cr_assert_eq(p.to, 30);
}

Test(phases, one_lasts_until_the_next_mark)
{
	struct phase p = phase(2, 1);

	cr_assert_str_eq(p.label, "load");
	cr_assert_eq(p.from, 10);
	cr_assert_eq(p.to, 15);
}

Test(phases, the_last_one_lasts_until_the_end)
{
	struct phase p = phase(2, 2);

	cr_assert_str_eq(p.label, "deploy");
	cr_assert_eq(p.to, 30);
}

Test(phases, requests_within_a_window_came_evenly)
{
	cr_assert_eq(phase(2, 1).requests, 100);
	cr_assert_eq(phase(2, 1).requests_per_second, 20);
	cr_assert_eq(phase(2, 2).requests, 140);
}

Test(phases, errors_and_bytes_are_of_the_phase)
{
	cr_assert_eq(phase(2, 0).errors, 4);
	cr_assert_eq(phase(2, 1).errors, 0);
	cr_assert_eq(phase(2, 1).allocated_bytes, 2000);
}

Test(phases, times_are_those_of_its_windows)
{
	cr_assert_eq(phase(2, 0).mean_ms, 2);
	cr_assert_eq(phase(2, 0).max_ms, 9);
	cr_assert_eq(phase(2, 1).mean_ms, 4);
	cr_assert_eq(phase(2, 1).max_ms, 7);
}

Test(phases, without_timed_requests_there_are_no_times)
{
	endpoint.window_mean_ms = NULL;
	cr_assert(isnan(phase(2, 0).mean_ms));
	cr_assert(isnan(phase(2, 0).max_ms));
}

Test(phases, levels_are_those_of_the_main_process)
{
	struct phase p = phase(2, 1);

	cr_assert_eq(p.begin.rss, 300);
	cr_assert_eq(p.end.rss, 700);
	cr_assert_eq(p.begin.live, 60);
	cr_assert_eq(p.end.live, 90);
}

Test(phases, before_the_first_reading_that_one_holds)
{
	cr_assert_eq(phase(2, 0).begin.rss, 100);
}

Test(phases, a_level_that_was_not_read_is_none)
{
	cr_assert(isnan(phase(2, 1).end.retained));
}
