/*
 * members: the processes of a cgroup, of version 1 or 2, and of those below.
 */
#ifndef STRANDLINE_PROC_MEMBERS_H
#define STRANDLINE_PROC_MEMBERS_H

#include <sys/types.h>

struct err;

/* Is @dir a cgroup?  -ENOENT, -ENOTDIR or -errno, with a sentence. */
int members_check(const char *dir, struct err *err);
/*
 * Call @each with each process of cgroup @dir and of the cgroups below it.
 * How many, or -errno: -ENOENT when it was removed.
 */
ssize_t members_each(const char *dir, void (*each)(void *context, pid_t pid),
		     void *context);
/*
 * How many cgroups of version 2 lie above @dir, the root among them; -1 for
 * one of version 1.
 */
int members_level(const char *dir);

#endif
