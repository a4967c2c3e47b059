#include "profiler/proc/maps.h"

#include <criterion/criterion.h>
#include <string.h>

static struct maps_entry only(const char *text)
{
	struct maps_cursor c = maps_begin(text, strlen(text));
	struct maps_entry e, more;

	cr_assert(maps_next(&c, &e), "no mapping in: %s", text);
	cr_assert(!maps_next(&c, &more));
	cr_assert_eq(c.skipped, 0);
	return e;
}

static void check_path(const char *text, const char *path, bool deleted)
{
	struct maps_entry e = only(text);
	char out[256];

	cr_assert_str_eq(maps_path(&e, out, sizeof(out)), path);
	cr_assert_eq(e.deleted, deleted);
}

static void check_skipped(const char *text)
{
	struct maps_cursor c = maps_begin(text, strlen(text));
	struct maps_entry e;

	cr_assert(!maps_next(&c, &e), "took: %s", text);
	cr_assert_eq(c.skipped, 1);
}

Test(maps, a_line_has_all_its_fields)
{
	struct maps_entry e = only("7f0011223000-7f0011224000 r-xp 0001f000 "
				   "fe:1a 1234567  /usr/lib/libc.so.6\n");

	cr_assert_eq(e.start, 0x7f0011223000);
	cr_assert_eq(e.end, 0x7f0011224000);
	cr_assert_eq(e.prot, MAPS_READ | MAPS_EXEC);
	cr_assert(!e.shared);
	cr_assert_eq(e.offset, 0x1f000);
	cr_assert_eq(e.device_major, 0xfe);
	cr_assert_eq(e.device_minor, 0x1a);
	cr_assert_eq(e.inode, 1234567);
	cr_assert(maps_path_is(&e, "/usr/lib/libc.so.6"));
	cr_assert(!maps_path_is(&e, "/usr/lib/libc.so"));
}

Test(maps, a_mapping_may_have_no_name)
{
	check_path("1000-2000 rw-s 00000000 00:00 0 \n", "", false);
	check_path("1000-2000 rw-s 00000000 00:00 0", "", false);
	cr_assert(only("1000-2000 rw-s 00000000 00:00 0\n").shared);
}

Test(maps, names_keep_their_spaces)
{
	check_path("1000-2000 r--p 0 00:01 7    /srv/my server/a  b.so\n",
		   "/srv/my server/a  b.so", false);
}

Test(maps, newlines_in_names_come_back)
{
	check_path("1000-2000 r--p 0 00:01 7  /srv/two\\012lines\n",
		   "/srv/two\nlines", false);
	check_path("1000-2000 r--p 0 00:01 7  /srv/back\\slash\\01\n",
		   "/srv/back\\slash\\01", false);
}

Test(maps, deleted_files_are_told_and_named)
{
	check_path("1000-2000 r--p 0 00:01 7  /tmp/lib.so (deleted)\n",
		   "/tmp/lib.so", true);
	check_path("1000-2000 rw-s 0 00:01 7  /memfd:x (deleted)\n", "/memfd:x",
		   true);
	check_path("1000-2000 rw-s 0 00:01 7  (deleted)\n", "(deleted)", false);
}

Test(maps, a_long_path_is_cut_to_fit)
{
	struct maps_entry e = only("1000-2000 r--p 0 00:01 7  /abcdef\n");
	char out[5];

	cr_assert_str_eq(maps_path(&e, out, sizeof(out)), "/abc");
}

Test(maps, the_last_page_of_the_address_space_is_read)
{
	struct maps_entry e = only("ffffffffff600000-ffffffffff601000 --xp "
				   "00000000 00:00 0  [vsyscall]\n");

	cr_assert_eq(e.end, 0xffffffffff601000);
}

Test(maps, what_is_not_a_mapping_is_skipped_and_counted)
{
	check_skipped("garbage\n");
	check_skipped("\n");
	check_skipped("1000-2000\n");
	check_skipped("2000-1000 r--p 0 00:00 0\n");
	check_skipped("1000-2000 r--q 0 00:00 0\n");
	check_skipped("1000-2000 r--p 0 00:00 0x\n");
	check_skipped("11112222333344445-2 r--p 0 00:00 0\n");
}

Test(maps, a_torn_line_does_not_hide_the_next)
{
	static const char text[] = "1000-20\n1000-2000 r--p 0 00:00 0 \n";
	struct maps_cursor c = maps_begin(text, sizeof(text) - 1);
	struct maps_entry e;

	cr_assert(maps_next(&c, &e));
	cr_assert_eq(e.end, 0x2000);
	cr_assert_eq(c.skipped, 1);
}

Test(maps, no_text_has_no_mappings)
{
	struct maps_cursor c = maps_begin(NULL, 0);
	struct maps_entry e;

	cr_assert(!maps_next(&c, &e));
}

static const char smaps[] = "1000-9000 rw-p 00000000 00:00 0  [heap]\n"
			    "Size:                 32 kB\n"
			    "KernelPageSize:        4 kB\n"
			    "Rss:                  20 kB\n"
			    "Pss:                  10 kB\n"
			    "Pss_Dirty:             3 kB\n"
			    "Anonymous:            16 kB\n"
			    "Swap:                  8 kB\n"
			    "SwapPss:               1 kB\n"
			    "VmFlags: rd wr mr mw me ac \n"
			    "9000-a000 r--p 00000000 00:01 9  /bin/x\n"
			    "Rss:                   4 kB\n";

Test(maps, smaps_gives_each_mapping_its_sizes)
{
	struct maps_cursor c = maps_begin(smaps, sizeof(smaps) - 1);
	struct smaps_sizes sizes;
	struct maps_entry e;

	cr_assert(smaps_next(&c, &e, &sizes));
	cr_assert(maps_path_is(&e, "[heap]"));
	cr_assert_eq(sizes.rss, 20480);
	cr_assert_eq(sizes.pss, 10240);
	cr_assert_eq(sizes.anonymous, 16384);
	cr_assert_eq(sizes.swap, 8192);

	cr_assert(smaps_next(&c, &e, &sizes));
	cr_assert(maps_path_is(&e, "/bin/x"));
	cr_assert_eq(sizes.rss, 4096);
	cr_assert_eq(sizes.swap, 0);
	cr_assert(!smaps_next(&c, &e, &sizes));
	cr_assert_eq(c.skipped, 0);
}

Test(maps, smaps_can_be_read_for_its_mappings_alone)
{
	struct maps_cursor c = maps_begin(smaps, sizeof(smaps) - 1);
	struct maps_entry e;

	cr_assert(maps_next(&c, &e));
	cr_assert(maps_next(&c, &e));
	cr_assert(!maps_next(&c, &e));
}

Test(maps, a_size_beyond_64_bits_is_left_out)
{
	static const char text[] = "1000-2000 rw-p 0 00:00 0 \n"
				   "Rss: 99999999999999999999 kB\n"
				   "Pss: 18446744073709551615 kB\n";
	struct maps_cursor c = maps_begin(text, sizeof(text) - 1);
	struct smaps_sizes sizes;
	struct maps_entry e;

	cr_assert(smaps_next(&c, &e, &sizes));
	cr_assert_eq(sizes.rss, 0);
	cr_assert_eq(sizes.pss, 0);
}
