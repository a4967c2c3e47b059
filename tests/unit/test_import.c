/*
 * Other tools' profiles: what is read of them, and what is refused.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "profiler/base/err.h"
#include "profiler/trace/import.h"

static struct import *read_text(const char *text)
{
	struct err err = ERR_INIT;
	struct import *im;

	cr_assert_eq(import_parse(&im, "f", text, strlen(text), &err), 0, "%s",
		     err.text);
	return im;
}

static void refuse(const char *bytes, size_t len, const char *sentence)
{
	struct err err = ERR_INIT;
	struct import *im;

	cr_assert_lt(import_parse(&im, "f", bytes, len, &err), 0);
	cr_assert_null(im);
	cr_assert_not_null(strstr(err.text, sentence), "%s", err.text);
	cr_assert_eq(strncmp(err.text, "f: ", 3), 0);
}

static const struct import_frame *step(const struct import *im, size_t stack,
				       size_t i)
{
	cr_assert_lt(i, im->stacks.at[stack].count);
	return &im->frames.at[im->path.at[im->stacks.at[stack].first + i]];
}

static double weight(const struct import *im, size_t stack,
		     enum import_weight what)
{
	cr_assert_lt(stack, im->stacks.count);
	return im->stacks.at[stack].weight[what];
}

Test(import, folded_stacks_are_live_bytes_root_first)
{
	struct import *im = read_text("main;serve;parse 123\nmain 4.5\n");

	cr_assert_eq(im->stacks.count, 2);
	cr_assert_eq(weight(im, 0, IMPORT_LIVE_BYTES), 123);
	cr_assert_eq(weight(im, 1, IMPORT_LIVE_BYTES), 4.5);
	cr_assert_str_eq(step(im, 0, 0)->function, "main");
	cr_assert_str_eq(step(im, 0, 2)->function, "parse");
	cr_assert_eq(step(im, 1, 0), step(im, 0, 0));
	import_free(im);
}

Test(import, a_folded_frame_of_python_has_a_file_and_a_line)
{
	struct import *im =
		read_text("run (srv/app.py:12);operator new (long) 1\n");

	cr_assert_str_eq(step(im, 0, 0)->function, "run");
	cr_assert_str_eq(step(im, 0, 0)->file, "srv/app.py");
	cr_assert_eq(step(im, 0, 0)->line, 12);
	cr_assert_str_eq(step(im, 0, 1)->function, "operator new (long)");
	cr_assert_null(step(im, 0, 1)->file);
	import_free(im);
}

Test(import, lines_that_are_no_stacks_are_counted)
{
	struct import *im =
		read_text("# made by x\n\na;b 1\r\nnothing\na 2\nb 3\n");

	cr_assert_eq(im->stacks.count, 3);
	cr_assert_eq(im->ignored, 1);
	import_free(im);
}

Test(import, text_that_is_mostly_no_stacks_is_refused)
{
	const char text[] = "chapter 1\nIt was\na dark\nnight\n";

	refuse(text, strlen(text), "3 of its lines are no folded stacks");
}

static const char heap[] =
	"heap_v2/1000\n"
	"  t*: 4: 4096 [10: 10240]\n"
	"  t0: 4: 4096 [10: 10240]\n"
	"@ 0x7f0000001011 0x400201 0x99\n"
	"  t*: 2: 2048 [3: 3072]\n"
	"  t1: 2: 2048 [3: 3072]\n"
	"@ 0x400301\n"
	"  t*: 1: 100000 [0: 0]\n"
	"\n"
	"MAPPED_LIBRARIES:\n"
	"00400000-00401000 r-xp 00002000 08:01 77                 /srv/rag c\n"
	"7f0000001000-7f0000002000 r-xp 00000000 08:01 78  "
	"/usr/lib/libjemalloc.so.2\n"
	"7f0000002000-7f0000003000 rw-p 00000000 00:00 0 \n";

Test(import, a_dump_of_jemalloc_is_scaled_to_what_it_was_sampled_from)
{
	struct import *im = read_text(heap);
	double scale = 1 / (1 - exp(-1.024));

	cr_assert_eq(im->stacks.count, 2);
	cr_assert_eq(im->mean_bytes, 1000);
	cr_assert_float_eq(weight(im, 0, IMPORT_LIVE_BYTES), 2048 * scale, .1);
	cr_assert_float_eq(weight(im, 0, IMPORT_LIVE_COUNT), 2 * scale, 1e-6);
	cr_assert_float_eq(weight(im, 0, IMPORT_ALLOC_BYTES), 3072 * scale, .1);
	cr_assert_float_eq(weight(im, 1, IMPORT_LIVE_BYTES), 100000, 1e-6);
	cr_assert_gt(im->stacks.at[0].bytes_variance, 0);
	import_free(im);
}

Test(import, addresses_of_a_dump_are_calls_in_mappings)
{
	struct import *im = read_text(heap);
	const struct import_frame *f = step(im, 0, 1);

	cr_assert_eq(f->address, 0x400200);
	cr_assert_eq(f->mapping, 0);
	cr_assert_str_eq(im->mappings.at[0].path, "/srv/rag c");
	cr_assert_eq(im->mappings.at[0].offset, 0x2000);
	cr_assert_eq(step(im, 0, 0)->mapping, IMPORT_NONE); /* 0x99 */
	import_free(im);
}

Test(import, the_allocator_is_no_part_of_the_stacks_of_its_dump)
{
	struct import *im = read_text(heap);

	cr_assert_eq(im->stacks.at[0].count, 2);
	cr_assert_eq(im->mappings.count, 2);
	import_free(im);
}

Test(import, a_dump_without_a_rate_is_refused)
{
	refuse("heap_v2/\n", 9, "without the rate");
	refuse("heap_v2/x\n", 10, "without the rate");
	refuse("heap_v2/inf\n", 12, "without the rate");
}

Test(import, a_dump_of_rubbish_is_refused)
{
	const char text[] =
		"heap_v2/8\nwhat\n@ zero\n@ 0x\n@ 0xfffffffffffffffff"
		"\n";

	refuse(text, strlen(text), "4 lines of which cannot be read");
}

/* sample_type {cpu, nanoseconds}, one sample 7 at location 1, a line 3 of
 * function "f" in "f.py"; strings "", "cpu", "nanoseconds", "f", "f.py". */
static const char profile[] = "\x0a\x04\x08\x01\x10\x02"
			      "\x12\x06\x0a\x01\x01\x12\x01\x07"
			      "\x22\x08\x08\x01\x22\x04\x08\x01\x10\x03"
			      "\x2a\x06\x08\x01\x10\x03\x20\x04"
			      "\x32\x00\x32\x03"
			      "cpu\x32\x0bnanoseconds\x32\x01"
			      "f\x32\x04"
			      "f.py";

Test(import, a_profile_of_time_is_time)
{
	struct err err = ERR_INIT;
	struct import *im;

	cr_assert_eq(import_parse(&im, "f", profile, sizeof(profile) - 1, &err),
		     0, "%s", err.text);
	cr_assert_eq(im->stacks.count, 1);
	cr_assert_eq(weight(im, 0, IMPORT_CPU), 7);
	cr_assert_eq(weight(im, 0, IMPORT_LIVE_BYTES), 0);
	cr_assert_str_eq(step(im, 0, 0)->function, "f");
	cr_assert_str_eq(step(im, 0, 0)->file, "f.py");
	cr_assert_eq(step(im, 0, 0)->line, 3);
	import_free(im);
}

Test(import, a_torn_profile_is_refused)
{
	for (size_t len = 20; len < sizeof(profile) - 1; len++) {
		struct err err = ERR_INIT;
		struct import *im;
		int rc = import_parse(&im, "f", profile, len, &err);

		cr_assert(rc == 0 || err.text[0]);
		import_free(im);
	}
	refuse(profile, 10, "goes on in another way");
}

Test(import, what_is_none_of_them_is_refused)
{
	refuse("", 0, "neither a recording");
	refuse("\x7f"
	       "ELF\0\0\0",
	       7, "neither a recording");
	refuse("{\"schema\": 1}\n", 14, "neither a recording");
	refuse("\x1f\x8b\x08\0", 4, "its gzip is damaged");
}
