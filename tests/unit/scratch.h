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

/* Its file @name; good until the fourth call after it. */
static inline const char *scratch_path(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static inline void scratch_write(const char *path, const void *bytes,
				 size_t size)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, size, f), size);
	fclose(f);
}

/* The whole of @path, to free(). */
static inline void *scratch_read(const char *path, size_t *size)
{
	FILE *f = fopen(path, "r");
	char *bytes;

	cr_assert_not_null(f, "%s", path);
	fseek(f, 0, SEEK_END);
	*size = (size_t)ftell(f);
	rewind(f);
	bytes = malloc(*size + 1);
	cr_assert_eq(fread(bytes, 1, *size, f), *size);
	fclose(f);
	return bytes;
}

#endif
