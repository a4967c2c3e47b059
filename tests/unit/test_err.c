#include "profiler/base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, set_returns_the_code_and_keeps_the_sentence)
{
	struct err err = ERR_INIT;

	cr_assert_eq(err_set(&err, -EINVAL, "no %s", "way"), -EINVAL);
	cr_assert_eq(err.code, -EINVAL);
	cr_assert_str_eq(err.text, "no way");
}

Test(err, a_caller_that_wants_no_sentence_still_gets_the_code)
{
	errno = EACCES;
	cr_assert_eq(err_errno(NULL, "cannot open x"), -EACCES);
	cr_assert_eq(err_set(NULL, -ENOENT, "x"), -ENOENT);
}

Test(err, errno_is_appended_and_left_as_it_was)
{
	struct err err = ERR_INIT;

	errno = ENOENT;
	cr_assert_eq(err_errno(&err, "cannot open %s", "a.strand"), -ENOENT);
	cr_assert_str_eq(err.text,
			 "cannot open a.strand: No such file or directory");
	cr_assert_eq(errno, ENOENT);
}

Test(err, a_long_object_never_costs_the_reason)
{
	struct err err = ERR_INIT;
	char path[2000];
	size_t len;

	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	errno = ENOSPC;
	err_errno(&err, "cannot write %s", path);
	len = strlen(err.text);
	cr_assert_eq(len, sizeof(err.text) - 1);
	cr_assert_str_eq(err.text + len - 25, ": No space left on device");
}
