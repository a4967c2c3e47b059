#include "profiler/attach/room.h"

#include <criterion/criterion.h>

#include "profiler/proc/cgroup.h"
#include "tests/unit/fixture_proc.h"

#define MIB (1ULL << 20)

Test(room, a_quarter_of_a_large_heap_may_be_written_to)
{
	cr_assert_eq(room_needed("Name:\tx\nRssAnon:\t 4194304 kB\n"
				 "VmPTE:\t    8192 kB\n"),
		     1024 * MIB + 8 * MIB);
}

Test(room, a_small_heap_may_be_doubled_whole)
{
	cr_assert_eq(room_needed("Name:\tx\nRssAnon:\t   10240 kB\n"
				 "VmPTE:\t    1024 kB\n"),
		     10 * MIB + 1 * MIB);
}

Test(room, a_middling_heap_has_64_mebibytes_at_least)
{
	cr_assert_eq(room_needed("Name:\tx\nRssAnon:\t  102400 kB\n"
				 "VmPTE:\t       0 kB\n"),
		     64 * MIB);
}

TestSuite(room_of, .init = fixture_dir_make, .fini = fixture_dir_remove);

Test(room_of, the_tightest_level_counts_and_its_idle_cache_is_free)
{
	struct cgroup c;

	proc_put("cg/pod/server/memory.current", "5000\n");
	proc_put("cg/pod/server/memory.max", "max\n");
	proc_put("cg/pod/memory.current", "90000\n");
	proc_put("cg/pod/memory.max", "100000\n");
	proc_put("cg/pod/memory.stat",
		 "anon 7\nfile 9\nactive_file 1\ninactive_file 4000\n");
	strcat(fixture_dir, "/cg");
	cgroup_find(&c, fixture_dir, "0::/pod/server\n");
	cr_assert_eq(cgroup_room(&c), 100000 - 90000 + 4000);
	fixture_dir[strlen(fixture_dir) - 3] = '\0';
}

Test(room_of, no_limit_is_no_end_of_room)
{
	struct cgroup c;

	proc_put("cg/box/memory.current", "5000\n");
	proc_put("cg/box/memory.max", "max\n");
	strcat(fixture_dir, "/cg");
	cgroup_find(&c, fixture_dir, "0::/box\n");
	cr_assert_eq(cgroup_room(&c), UINT64_MAX);
	fixture_dir[strlen(fixture_dir) - 3] = '\0';
}

Test(room_of, a_group_above_its_limit_has_none)
{
	struct cgroup c;

	proc_put("memory/box/memory.usage_in_bytes", "7000\n");
	proc_put("memory/box/memory.limit_in_bytes", "6000\n");
	cgroup_find(&c, fixture_dir, "4:memory:/box\n");
	cr_assert_eq(cgroup_room(&c), 0);
}
