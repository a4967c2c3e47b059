/*
 * The names that a process gives to code that it generates.
 */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profiler/probe/perfmap.h"

static struct perfmap *map;

static void make(void)
{
	map = perfmap_new(getpid());
	cr_assert(map);
}

static void unmake(void)
{
	perfmap_free(map);
}

static size_t take(const char *text)
{
	return perfmap_parse(map, text, strlen(text));
}

static const char *name_at(uint64_t address)
{
	const struct perfmap_code *code = perfmap_known(map, address);

	return code ? code->name : "none";
}

TestSuite(perfmap, .init = make, .fini = unmake);

Test(perfmap, a_name_holds_from_its_start_to_its_end)
{
	take("1000 10 first\n7f0000002000 20 JS:*loop /srv/app.js:4:14\n");
	cr_expect_str_eq(name_at(0xfff), "none");
	cr_expect_str_eq(name_at(0x1000), "first");
	cr_expect_str_eq(name_at(0x100f), "first");
	cr_expect_str_eq(name_at(0x1010), "none");
	cr_expect_str_eq(name_at(0x7f000000201f), "JS:*loop /srv/app.js:4:14");
}

Test(perfmap, what_was_said_last_of_an_address_holds)
{
	take("2000 100 old\n2000 100 new\n1ff0 20 newest\n");
	cr_expect_str_eq(name_at(0x2000), "newest");
	cr_expect_str_eq(name_at(0x2050), "new");
	take("2040 20 later\n");
	cr_expect_str_eq(name_at(0x2050), "later");
}

Test(perfmap, a_line_that_is_not_whole_is_left)
{
	cr_expect_eq(take("1000 10 a\n2000 10 b"), strlen("1000 10 a\n"));
	cr_expect_str_eq(name_at(0x2000), "none");
}

Test(perfmap, what_is_no_line_is_passed_over)
{
	take("\nzz 10 a\n1000 a\n1000 0 empty\n"
	     "ffffffffffffffff 10 past the end\n"
	     "12345678901234567 10 too long\n0x3000 0x10 fine\n");
	cr_expect_str_eq(name_at(0x1000), "none");
	cr_expect_str_eq(name_at(0x3000), "fine");
	cr_expect_str_eq(name_at(UINT64_MAX), "none");
}

Test(perfmap, the_file_is_read_on_as_it_grows)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
	file = fopen(path, "w");
	cr_assert(file);
	fputs("1000 10 first\n", file);
	fflush(file);
	cr_expect_not_null(perfmap_find(map, 0x1000, 1000000000));
	fputs("2000 10 second\n", file);
	fclose(file);
	cr_expect_null(perfmap_find(map, 0x2000, 1500000000));
	cr_expect_not_null(perfmap_find(map, 0x2000, 2000000000));
	cr_expect_str_eq(name_at(0x1000), "first");
	unlink(path);
}
