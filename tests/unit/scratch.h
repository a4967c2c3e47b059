/*
 * scratch: a directory of a test's own, gone after it.
 */
#ifndef STRANDLINE_TESTS_SCRATCH_H
#define STRANDLINE_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static inline void scratch_make(void)
{
	strcpy(scratch, "/tmp/strandline-test-XXXXXX");
	cr_assert_not_null(mkdtemp(scratch));
}

/* The same, and be in it. */
static inline void scratch_enter(void)
{
	scratch_make();
	cr_assert_eq(chdir(scratch), 0);
}

static inline int scratch_remove_one(const char *path, const struct stat *sb,
				     int flag, struct FTW *ftw)
{
	(void)sb;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void scratch_remove(void)
{
	nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
