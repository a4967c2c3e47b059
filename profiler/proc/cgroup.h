/*
 * cgroup: the memory cgroup a process is in, version 2 or 1.
 */
#ifndef STRANDLINE_PROC_CGROUP_H
#define STRANDLINE_PROC_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @base is where a version-2 tree is mounted; version 1's is below it. */
#define CGROUP_BASE "/sys/fs/cgroup"
#define CGROUP_PATH 1024

struct cgroup {
	char path[CGROUP_PATH]; /* "": none was found */
	size_t base_len;	/* how much of it is the mount point */
	bool version_1;
};

/* Find it in @text, of /proc/PID/cgroup. */
void cgroup_find(struct cgroup *c, const char *base, const char *text);
/* Bytes charged to it; UINT64_MAX where that cannot be read. */
uint64_t cgroup_usage(const struct cgroup *c);
/* The lowest limit of it and what is above it; UINT64_MAX: none. */
uint64_t cgroup_limit(const struct cgroup *c);
/*
 * Bytes that can still be charged to it before it or what is above it comes
 * to a limit, the file cache that the kernel drops first counted as free;
 * UINT64_MAX: there is no limit.
 */
uint64_t cgroup_room(const struct cgroup *c);

#endif
