/*
 * Which format a reader of `serve` gets.
 */
#include <criterion/criterion.h>

#include "profiler/cmd/serve_door.h"

static void wants(enum metrics_dialect dialect, const char *accept)
{
	cr_assert_eq(door_dialect(accept), dialect, "%s",
		     accept ? accept : "nothing");
}

Test(serve_accept, prometheus_gets_openmetrics)
{
	wants(METRICS_OPENMETRICS,
	      "application/openmetrics-text;version=1.0.0,"
	      "application/openmetrics-text;version=0.0.1;q=0.75,"
	      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1");
}

Test(serve_accept, who_says_nothing_gets_the_older_text)
{
	wants(METRICS_PROMETHEUS, NULL);
	wants(METRICS_PROMETHEUS, "");
	wants(METRICS_PROMETHEUS, "*/*");
}

Test(serve_accept, what_is_wanted_more_wins)
{
	wants(METRICS_PROMETHEUS,
	      "application/openmetrics-text; q=0.4, text/plain; q=0.6");
	wants(METRICS_OPENMETRICS,
	      "text/plain; q=0.4 , application/openmetrics-text; q=0.6");
}

Test(serve_accept, what_is_not_wanted_is_not_given)
{
	wants(METRICS_PROMETHEUS, "application/openmetrics-text;q=0");
	wants(METRICS_PROMETHEUS, "application/openmetrics-text;q=nan");
	wants(METRICS_PROMETHEUS, "application/openmetrics-text;q=");
}

Test(serve_accept, another_version_is_another_format)
{
	wants(METRICS_PROMETHEUS, "application/openmetrics-text;version=2.0.0");
	wants(METRICS_OPENMETRICS, "application/openmetrics-text; "
				   "charset=utf-8; version=0.0.1");
}

Test(serve_accept, names_of_formats_have_no_case)
{
	wants(METRICS_OPENMETRICS, "Application/OpenMetrics-Text");
}

Test(serve_accept, rubbish_is_no_format)
{
	wants(METRICS_PROMETHEUS, ";;,,q=,;=;,");
	wants(METRICS_PROMETHEUS, "application/openmetrics-textual");
	wants(METRICS_PROMETHEUS, ",application/openmetrics");
}
