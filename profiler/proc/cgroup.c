/*
 * cgroup: the memory cgroup a process is in, version 2 or 1.
 */
#include "profiler/proc/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Version 1 writes "no limit" as the largest page-aligned signed number. */
#define NO_LIMIT (1ULL << 62)

static uint64_t read_number(const char *dir, const char *name)
{
	char path[CGROUP_PATH + 64], text[32], *end;
	uint64_t value;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return UINT64_MAX;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return UINT64_MAX;
	text[n] = '\0';
	value = strtoull(text, &end, 10); /* "max" has no digits */
	return end == text ? UINT64_MAX : value;
}

/* "memory" is one of the words between commas. */
static bool has_memory(const char *controllers, size_t len)
{
	static const char word[] = "memory";

	while (len > 0) {
		const char *comma = memchr(controllers, ',', len);
		size_t n = comma ? (size_t)(comma - controllers) : len;

		if (n == sizeof(word) - 1 && !memcmp(controllers, word, n))
			return true;
		controllers += n + (comma ? 1 : 0);
		len -= n + (comma ? 1 : 0);
	}
	return false;
}

/*
 * In a container the path can be the host's while the mount shows only our
 * own part of it: then the mount point itself is the one.
 */
static void settle(struct cgroup *c, const char *base, const char *below,
		   const char *path, size_t len)
{
	int n = snprintf(c->path, sizeof(c->path), "%s%s", base, below);

	c->base_len = (size_t)n;
	if (c->base_len + len >= sizeof(c->path)) {
		c->path[0] = '\0';
		return;
	}
	while (len > 0 && path[len - 1] == '/')
		len--;
	memcpy(c->path + c->base_len, path, len);
	c->path[c->base_len + len] = '\0';
	if (cgroup_usage(c) != UINT64_MAX)
		return;
	c->path[c->base_len] = '\0';
	if (cgroup_usage(c) == UINT64_MAX)
		c->path[0] = '\0';
}

/* Lines "ID:CONTROLLERS:PATH"; version 2's is "0::PATH". */
void cgroup_find(struct cgroup *c, const char *base, const char *text)
{
	const char *v2 = NULL, *v1 = NULL;

	*c = (struct cgroup) { 0 };
	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *first = memchr(text, ':', len), *second = NULL;

		if (first)
			second = memchr(first + 1, ':',
					(size_t)(text + len - first - 1));
		if (second && second == first + 1)
			v2 = second + 1;
		else if (second &&
			 has_memory(first + 1, (size_t)(second - first - 1)))
			v1 = second + 1;
		text += len + (text[len] == '\n');
	}
	if (v1) { /* on a mixed system memory is there, or not at all */
		c->version_1 = true;
		settle(c, base, "/memory", v1, strcspn(v1, "\n"));
	} else if (v2) {
		settle(c, base, "", v2, strcspn(v2, "\n"));
	}
}

uint64_t cgroup_usage(const struct cgroup *c)
{
	if (!c->path[0])
		return UINT64_MAX;
	return read_number(c->path, c->version_1 ? "memory.usage_in_bytes"
						 : "memory.current");
}

static uint64_t limit_at(const struct cgroup *c, const char *dir)
{
	uint64_t limit = read_number(dir, c->version_1 ? "memory.limit_in_bytes"
						       : "memory.max");

	return limit < NO_LIMIT ? limit : UINT64_MAX;
}

/* From @dir to what is above it; false at the top. */
static bool go_up(const struct cgroup *c, char *dir)
{
	char *slash = strrchr(dir, '/');

	if (!slash || (size_t)(slash - dir) < c->base_len)
		return false;
	*slash = '\0';
	return true;
}

uint64_t cgroup_limit(const struct cgroup *c)
{
	uint64_t lowest = UINT64_MAX;
	char dir[CGROUP_PATH];

	if (!c->path[0])
		return UINT64_MAX;
	strcpy(dir, c->path);
	do {
		uint64_t limit = limit_at(c, dir);

		lowest = limit < lowest ? limit : lowest;
	} while (go_up(c, dir));
	return lowest;
}

/* The file cache of @dir that the kernel takes back first; 0: unknown. */
static uint64_t idle_cache(const struct cgroup *c, const char *dir)
{
	const char *name =
		c->version_1 ? "total_inactive_file " : "inactive_file ";
	char path[CGROUP_PATH + 64], text[8192];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/memory.stat", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (at = text; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strncmp(at, name, strlen(name)) == 0)
			return strtoull(at + strlen(name), NULL, 10);
	return 0;
}

static uint64_t room_at(const struct cgroup *c, const char *dir)
{
	uint64_t limit = limit_at(c, dir);
	uint64_t used = read_number(dir, c->version_1 ? "memory.usage_in_bytes"
						      : "memory.current");
	uint64_t cache;

	if (limit == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	cache = idle_cache(c, dir);
	used -= cache < used ? cache : used;
	return used < limit ? limit - used : 0;
}

uint64_t cgroup_room(const struct cgroup *c)
{
	uint64_t least = UINT64_MAX;
	char dir[CGROUP_PATH];

	if (!c->path[0])
		return UINT64_MAX;
	strcpy(dir, c->path);
	do {
		uint64_t room = room_at(c, dir);

		least = room < least ? room : least;
	} while (go_up(c, dir));
	return least;
}
