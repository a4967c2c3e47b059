/*
 * allocator: see allocator.h.
 */
#include "profiler/cmd/allocator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/err.h"

struct known {
	const char *name, *package;
	const char *files[4]; /* NULL-terminated */
};

static const struct known known[] = {
	{ "jemalloc", "libjemalloc2", { "libjemalloc.so.2" } },
	{ "tcmalloc",
	  "libtcmalloc-minimal4",
	  { "libtcmalloc_minimal.so.4", "libtcmalloc.so.4" } },
	{ "mimalloc",
	  "libmimalloc2.0",
	  { "libmimalloc.so.2.0", "libmimalloc.so.2" } },
};

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

static const char *const folders[] = {
	"/usr/local/lib",
	"/usr/lib/x86_64-linux-gnu",
	"/lib/x86_64-linux-gnu",
	"/usr/lib64",
	"/usr/lib",
};

static bool find_file(char out[PATH_MAX], const char *file)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(out, PATH_MAX, "%s/%s", folders[i], file);
		if (access(out, R_OK) == 0)
			return true;
	}
	out[0] = '\0';
	return false;
}

static int find_known(struct allocator *out, const struct known *k,
		      struct err *err)
{
	for (int i = 0; k->files[i]; i++)
		if (find_file(out->path, k->files[i]))
			return 0;
	return err_set(err, -ENOENT,
		       "--allocator %s: %s is not installed (package %s in "
		       "Debian)",
		       k->name, k->files[0], k->package);
}

int allocator_find(struct allocator *out, const char *name, struct err *err)
{
	*out = (struct allocator) { .chosen = true };
	if (strcmp(name, "glibc") == 0)
		return 0;
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		if (strcmp(name, known[i].name) == 0)
			return find_known(out, &known[i], err);
	if (!strchr(name, '/'))
		return err_set(
			err, -EINVAL,
			"--allocator %s: known are glibc, jemalloc, "
			"tcmalloc and mimalloc; give the path of another",
			name);
	if (strpbrk(name, ": "))
		return err_set(err, -EINVAL,
			       "--allocator %s: LD_PRELOAD cannot hold a path "
			       "with a colon or a space",
			       name);
	if (!realpath(name, out->path))
		return err_errno(err, "--allocator %s", name);
	return 0;
}

bool allocator_is_one(const char *path)
{
	static const char *const stems[] = { "libjemalloc", "libtcmalloc",
					     "libmimalloc" };
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(stems) / sizeof(stems[0]); i++)
		if (!strncmp(base, stems[i], strlen(stems[i])))
			return true;
	return false;
}
