#include "profiler/attach/roots.h"

#include <criterion/criterion.h>

static struct roots roots;

static void teardown(void)
{
	roots_fini(&roots);
}

TestSuite(roots, .fini = teardown);

Test(roots, the_data_of_an_epoll_is_read_from_its_fdinfo)
{
	static const char text[] =
		"pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t1060\n"
		"tfd:        5 events:       19 data:     7f42a8001230"
		"  pos:0 ino:3e1 sdev:8\n"
		"tfd:        9 events: 80000019 data: ffffffff00000009"
		"  pos:0 ino:3e2 sdev:8\n";

	cr_assert_eq(roots_parse_epoll(&roots, text), 0);
	cr_assert_eq(roots.words.count, 2);
	cr_assert_eq(roots.words.at[0], 0x7f42a8001230);
	cr_assert_eq(roots.words.at[1], 0xffffffff00000009);
}

Test(roots, the_value_of_a_timer_stands_behind_its_signal)
{
	static const char text[] =
		"ID: 0\nsignal: 34/00007f42a8001230\nnotify: signal/tid.77\n"
		"ClockID: 1\nID: 1\nsignal: 0/0000000000000000\n"
		"notify: none/pid.77\nClockID: 1\n";

	cr_assert_eq(roots_parse_timers(&roots, text), 0);
	cr_assert_eq(roots.words.count, 2);
	cr_assert_eq(roots.words.at[0], 0x7f42a8001230);
	cr_assert_eq(roots.words.at[1], 0);
}

Test(roots, text_that_is_cut_gives_what_is_there)
{
	cr_assert_eq(roots_parse_epoll(&roots, "tfd: 5 events: 19 data:"), 0);
	cr_assert_eq(roots_parse_timers(&roots, "signal: 34"), 0);
	cr_assert_leq(roots.words.count, 1);
}
