/*
 * fixture_dir: a directory of a test's own, as its suite's .init and .fini.
 */
#ifndef STRANDLINE_TESTS_FIXTURE_DIR_H
#define STRANDLINE_TESTS_FIXTURE_DIR_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char fixture_dir[64];

static inline void fixture_dir_make(void)
{
	strcpy(fixture_dir, "/tmp/strandline-test-XXXXXX");
	cr_assert_not_null(mkdtemp(fixture_dir));
}

/* The same, and be in it. */
static inline void fixture_dir_enter(void)
{
	fixture_dir_make();
	cr_assert_eq(chdir(fixture_dir), 0);
}

static inline int fixture_dir_remove_one(const char *path,
					 const struct stat *sb, int flag,
					 struct FTW *ftw)
{
	(void)sb;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void fixture_dir_remove(void)
{
	nftw(fixture_dir, fixture_dir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
