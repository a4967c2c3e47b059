#include "profiler/proc/remote.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct remote_range ranges[] = {
	{ 0x1000, "hello\0world", 11 },
	{ 0x5000, "no end", 6 },
};

Test(remote, a_fake_gives_what_lies_inside_a_range)
{
	struct remote r = remote_fake(ranges, 2);
	char to[5];

	cr_assert_eq(remote_read(&r, 0x1006, to, 5), 0);
	cr_assert_eq(memcmp(to, "world", 5), 0);
}

Test(remote, a_read_past_the_end_fails_as_a_whole)
{
	struct remote r = remote_fake(ranges, 2);
	char to[16];

	cr_assert_eq(remote_read(&r, 0x1006, to, 6), -EFAULT);
	cr_assert_eq(remote_read(&r, 0xfff, to, 1), -EFAULT);
	cr_assert_eq(remote_read(&r, UINT64_MAX - 2, to, 8), -EFAULT);
}

Test(remote, text_ends_at_its_nul_or_where_it_fits)
{
	struct remote r = remote_fake(ranges, 2);
	char to[16];

	cr_assert_eq(remote_read_text(&r, 0x1000, to, sizeof(to)), 5);
	cr_assert_str_eq(to, "hello");
	cr_assert_eq(remote_read_text(&r, 0x1006, to, 4), 3);
	cr_assert_str_eq(to, "wor");
}

Test(remote, text_without_an_end_is_refused)
{
	struct remote r = remote_fake(ranges, 2);
	char to[16] = "before";

	cr_assert_eq(remote_read_text(&r, 0x5000, to, sizeof(to)), -EFAULT);
	cr_assert_str_eq(to, "");
}

Test(remote, a_process_gives_its_memory)
{
	struct remote r = remote_process(getpid());
	static const char here[] = "in my own image";
	char to[32];

	cr_assert_eq(remote_read_text(&r, (uintptr_t)here, to, sizeof(to)), 15);
	cr_assert_str_eq(to, here);
}

Test(remote, text_may_end_just_before_a_hole)
{
	struct remote r = remote_process(getpid());
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char to[64];

	cr_assert_eq(munmap(pages + 4096, 4096), 0);
	memcpy(pages + 4092, "end", 4);
	cr_assert_eq(remote_read_text(&r, (uintptr_t)pages + 4092, to, 64), 3);
	cr_assert_eq(remote_read(&r, (uintptr_t)pages + 4092, to, 64), -EFAULT);
}
