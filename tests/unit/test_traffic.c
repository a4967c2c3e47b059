/* When requests came, off a model's windows. */
#include "profiler/analysis/traffic.h"

#include <criterion/criterion.h>

#include "profiler/model/model.h"

static struct model_window windows[] = {
	{ .t = 0 }, { .t = 1, .requests = 100 }, { .t = 2, .requests = 300 },
	{ .t = 3 }, { .t = 4, .requests = 10 },	 { .t = 5 },
};
static const struct model served = {
	.duration = 6.5, .requests = 410, .windows = windows, .window_count = 6
};

Test(traffic, requests_add_up_and_come_evenly_within_a_window)
{
	cr_assert_eq(traffic_until(&served, 0), 0);
	cr_assert_eq(traffic_until(&served, 1.5), 50);
	cr_assert_eq(traffic_until(&served, 3), 400);
	cr_assert_eq(traffic_until(&served, 99), 410);
}

Test(traffic, it_spans_the_windows_with_requests)
{
	struct traffic_span span;

	cr_assert(traffic_span(&served, NULL, &span));
	cr_assert_eq(span.first, 1);
	cr_assert_eq(span.last, 5);
}

Test(traffic, an_endpoint_has_a_span_of_its_own)
{
	static const double counts[] = { 0, 0, 7, 0, 0, 0 };
	struct model_endpoint e = { .windows = counts };
	struct traffic_span span;

	cr_assert(traffic_span(&served, &e, &span));
	cr_assert_eq(span.first, 2);
	cr_assert_eq(span.last, 3);
}

Test(traffic, without_requests_there_is_no_span)
{
	struct model idle = { .duration = 3 };
	struct traffic_span span;

	cr_assert_not(traffic_span(&idle, NULL, &span));
	cr_assert_eq(traffic_until(&idle, 2), 0);
}
