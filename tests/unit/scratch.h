/*
 * scratch: a directory of the test's own, removed with all that is in it.
 */
#ifndef STRANDLINE_TESTS_SCRATCH_H
#define STRANDLINE_TESTS_SCRATCH_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
	char dir[64];
};

static inline struct scratch scratch_new(void)
{
	struct scratch s = { "/tmp/strandline-test-XXXXXX" };

	cr_assert_not_null(mkdtemp(s.dir));
	return s;
}

/* DIR/NAME; good until the fourth call after it. */
static inline const char *scratch_path(const struct scratch *s,
				       const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", s->dir, name);
	return path;
}

static inline int scratch_remove_one(const char *path, const struct stat *sb,
				     int type, struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void scratch_free(struct scratch *s)
{
	nftw(s->dir, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(const char *path, const void *bytes,
				 size_t size)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
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
