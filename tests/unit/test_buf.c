#include "profiler/base/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"

static char dir[64];

static void make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/strandline-buf-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_text(const char *path, const char *text)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;

	buf_puts(&b, text);
	cr_assert_eq(buf_write_file(&b, path, &err), 0, "%s", err.text);
	buf_free(&b);
}

static void check_text(const char *path, const char *expected)
{
	struct buf b = BUF_INIT;

	cr_assert_eq(buf_read_file(&b, path, NULL), 0);
	cr_assert_str_eq(b.bytes, expected);
	buf_free(&b);
}

static void remove_dir(void)
{
	unlink(in_dir("a"));
	unlink(in_dir("link"));
	cr_assert_eq(rmdir(dir), 0, "a temporary file was left behind");
}

Test(buf, puts_add_up)
{
	struct buf b = BUF_INIT;

	buf_putc(&b, 'a');
	buf_puts(&b, "bc");
	buf_write(&b, "d\0e", 3);
	buf_printf(&b, "%d", 42);
	cr_assert_eq(b.len, 8);
	cr_assert_arr_eq(b.bytes, "abcd\0e42", 9);
	cr_assert_eq(buf_status(&b), 0);
	buf_free(&b);
}

Test(buf, a_printf_longer_than_the_room_left_is_whole)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, "x");
	buf_printf(&b, "%0500d", 7);
	cr_assert_eq(b.len, 501);
	cr_assert_eq(b.bytes[500], '7');
	cr_assert_eq(b.bytes[1], '0');
	cr_assert_eq(b.bytes[501], '\0');
	buf_free(&b);
}

Test(buf, a_put_that_cannot_fit_sticks_until_cleared)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, "kept");
	buf_write(&b, "x", SIZE_MAX / 2);
	buf_puts(&b, "lost");
	cr_assert_eq(buf_status(&b), -ENOMEM);
	cr_assert_str_eq(b.bytes, "kept");
	buf_clear(&b);
	cr_assert_eq(buf_status(&b), 0);
	cr_assert_eq(b.len, 0);
	cr_assert_str_eq(b.bytes, "");
	buf_free(&b);
}

Test(buf, what_is_written_is_read_back, .init = make_dir, .fini = remove_dir)
{
	write_text(in_dir("a"), "one\n");
	check_text(in_dir("a"), "one\n");
}

Test(buf, an_empty_buffer_makes_an_empty_file, .init = make_dir,
     .fini = remove_dir)
{
	write_text(in_dir("a"), "");
	check_text(in_dir("a"), "");
}

Test(buf, replacing_a_file_keeps_its_mode, .init = make_dir, .fini = remove_dir)
{
	struct stat sb;

	write_text(in_dir("a"), "one");
	chmod(in_dir("a"), 0640);
	write_text(in_dir("a"), "two");
	check_text(in_dir("a"), "two");
	cr_assert_eq(stat(in_dir("a"), &sb), 0);
	cr_assert_eq(sb.st_mode & 07777, 0640);
}

Test(buf, a_symbolic_link_stays_one, .init = make_dir, .fini = remove_dir)
{
	struct stat sb;

	write_text(in_dir("a"), "one");
	cr_assert_eq(symlink("a", in_dir("link")), 0);
	write_text(in_dir("link"), "two");
	cr_assert_eq(lstat(in_dir("link"), &sb), 0);
	cr_assert(S_ISLNK(sb.st_mode));
	check_text(in_dir("a"), "two");
}

Test(buf, a_device_is_written_and_not_replaced)
{
	struct stat sb;

	write_text("/dev/null", "gone");
	cr_assert_eq(stat("/dev/null", &sb), 0);
	cr_assert(S_ISCHR(sb.st_mode));
}

Test(buf, a_missing_directory_is_named)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;

	buf_puts(&b, "x");
	cr_assert_eq(buf_write_file(&b, "/nonexistent/a", &err), -ENOENT);
	cr_assert_str_eq(
		err.text,
		"cannot create /nonexistent/a: No such file or directory");
	buf_free(&b);
}

Test(buf, reading_appends)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, "name: ");
	cr_assert_eq(buf_read_file(&b, "/proc/self/comm", NULL), 0);
	cr_assert_eq(b.bytes[b.len - 1], '\n');
	cr_assert_eq(b.bytes[0], 'n');
	buf_free(&b);
}

Test(buf, a_file_that_cannot_be_read_leaves_the_buffer_alone)
{
	struct err err = ERR_INIT;
	struct buf b = BUF_INIT;

	buf_puts(&b, "kept");
	cr_assert_eq(buf_read_file(&b, "/tmp", &err), -EISDIR);
	cr_assert_str_eq(b.bytes, "kept");
	cr_assert_str_eq(err.text, "cannot read /tmp: Is a directory");
	buf_free(&b);
}
