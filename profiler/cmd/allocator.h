/*
 * allocator: the allocator that a command is to run on, by LD_PRELOAD.
 */
#ifndef STRANDLINE_CMD_ALLOCATOR_H
#define STRANDLINE_CMD_ALLOCATOR_H

#include <limits.h>
#include <stdbool.h>

struct err;

struct allocator {
	bool chosen;	     /* else the command's own choice stands */
	char path[PATH_MAX]; /* of its library; "" for libc's */
};

/*
 * @name: glibc, jemalloc, tcmalloc, mimalloc, or the path of a library.
 * -ENOENT with a sentence that names the package where it is not installed;
 * -EINVAL for another name.
 */
int allocator_find(struct allocator *out, const char *name, struct err *err);

/* Whether a word of LD_PRELOAD is one of those: two would be in each other's
 * way. */
bool allocator_is_one(const char *path);

#endif
