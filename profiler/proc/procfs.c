/*
 * procfs: small reads below one /proc/PID.
 */
#include "profiler/proc/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/base/buf.h"

int procfs_open(const char *root, pid_t pid)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%d", root, (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int procfs_read(int dir, const char *name, struct buf *out)
{
	char chunk[16384];
	ssize_t n;
	int fd;

	buf_clear(out);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			buf_write(out, chunk, (size_t)n);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		n = -errno;
	close(fd);
	if (n == 0 && out->len == 0)
		buf_puts(out, ""); /* so that the bytes are there to read */
	return n < 0 ? (int)n : buf_status(out);
}

ssize_t procfs_link(int dir, const char *name, char *out, size_t size)
{
	ssize_t n = readlinkat(dir, name, out, size - 1);

	if (n < 0)
		return -errno;
	out[n] = '\0';
	return n;
}

/*
 * Paths begin at the root of its mounts.  Its own root may lie below that: up
 * from there ".." leads, however often, but for who has that root himself.
 */
static void way_to_mounts(int dir, pid_t pid, char root[PROCFS_ROOT_MAX])
{
	char own[PATH_MAX];
	ssize_t len = procfs_link(dir, "root", own, sizeof(own));
	size_t at = (size_t)snprintf(root, PROCFS_ROOT_MAX, "/proc/%d/root",
				     (int)pid);

	for (ssize_t i = 0; i + 1 < len && at + 4 < PROCFS_ROOT_MAX; i++)
		if (own[i] == '/')
			at += (size_t)snprintf(root + at, PROCFS_ROOT_MAX - at,
					       "/..");
}

void procfs_root(int dir, pid_t pid, char root[PROCFS_ROOT_MAX])
{
	char theirs[64] = "", ours[64] = "";
	int self = procfs_open("/proc", getpid());

	root[0] = 0;
	if (self < 0)
		return;
	procfs_link(dir, "ns/mnt", theirs, sizeof(theirs));
	procfs_link(self, "ns/mnt", ours, sizeof(ours));
	close(self);
	if (strcmp(theirs, ours) != 0)
		way_to_mounts(dir, pid, root);
}

ssize_t procfs_numbers(int dir, const char *name,
		       void (*each)(void *ctx, uint64_t number), void *ctx)
{
	const struct dirent *entry;
	ssize_t count = 0;
	DIR *list;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	list = fdopendir(fd);
	if (!list) {
		count = -errno;
		close(fd);
		return count;
	}
	while ((entry = readdir(list))) {
		char *end;
		uint64_t number = strtoull(entry->d_name, &end, 10);

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || *end)
			continue;
		if (each)
			each(ctx, number);
		count++;
	}
	closedir(list);
	return count;
}

bool procfs_parse_stat(const char *text, struct procfs_stat *stat)
{
	/* The name stands in parentheses and may hold some itself. */
	const char *at = strrchr(text, ')');
	int ppid, session;

	if (!at)
		return false;
	*stat = (struct procfs_stat) { 0 };
	/* state ppid pgrp session tty tpgid flags, from field 3 on */
	if (sscanf(at + 1,
		   " %c %d %*d %d %*d %*d %*u %lu %*u %lu %*u %lu %lu %*d %*d "
		   "%*d %*d %lu %*d %lu",
		   &stat->state, &ppid, &session, &stat->minor_faults,
		   &stat->major_faults, &stat->user_ticks, &stat->system_ticks,
		   &stat->threads, &stat->start_ticks) != 9)
		return false;
	stat->ppid = ppid;
	stat->session = session;
	return true;
}

int procfs_stat(int dir, struct procfs_stat *stat)
{
	struct buf text = BUF_INIT;
	int rc;

	rc = procfs_read(dir, "stat", &text);
	if (rc == 0 && !procfs_parse_stat(text.bytes, stat))
		rc = -EBADMSG;
	buf_free(&text);
	return rc;
}
