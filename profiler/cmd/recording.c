/*
 * recording: the directory that a run fills, seen from outside while the shim
 * writes into it.
 */
#include "profiler/cmd/recording.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/err.h"
#include "profiler/trace/slabfile.h"
#include "profiler/wire/quota.h"

#define NAME_LONGEST 64
#define MOST_NUMBERS 100000

/*
 * A server started as root often becomes another user before it execs, and
 * then opens its file as that user: root's recordings are open to all, like
 * /tmp.
 */
static int make(const char *path)
{
	if (mkdir(path, 0777) < 0)
		return -errno;
	if (geteuid() == 0 && chmod(path, 01777) < 0)
		return -errno;
	return 0;
}

static void plain_name(const char *command, char name[NAME_LONGEST])
{
	const char *slash = strrchr(command, '/');
	size_t len = 0;

	for (const char *at = slash ? slash + 1 : command;
	     *at && len + 1 < NAME_LONGEST; at++)
		name[len++] = isalnum((unsigned char)*at) || strchr("._-", *at)
				      ? *at
				      : '_';
	name[len] = '\0';
	if (len == 0 || name[0] == '.' || name[0] == '-')
		strcpy(name, "server");
}

int recording_create(const char *wanted, const char *command,
		     char path[PATH_MAX], struct err *err)
{
	char name[NAME_LONGEST];
	int rc;

	if (wanted) {
		snprintf(path, PATH_MAX, "%s", wanted);
		rc = make(path);
		if (rc == -EEXIST)
			return err_set(err, rc,
				       "%s exists already; choose another "
				       "name with -o, or remove it",
				       path);
		if (rc < 0)
			return err_set(err, rc, "cannot create %s: %s", path,
				       strerror(-rc));
		return 0;
	}
	plain_name(command, name);
	for (int n = 1; n < MOST_NUMBERS; n++) {
		snprintf(path, PATH_MAX, "%s-%d.strand", name, n);
		rc = make(path);
		if (rc != -EEXIST)
			break;
	}
	if (rc < 0)
		return err_set(err, rc,
			       "cannot create %s here: %s; name a place with "
			       "-o",
			       path, strerror(-rc));
	return 0;
}

DIR *recording_list(int dir, const char *folder)
{
	int fd = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list && fd >= 0)
		close(fd);
	return list;
}

/* A copy of a program or library that was replaced: in a folder, alone. */
static void remove_copy(int dir, const char *folder)
{
	DIR *list = recording_list(dir, folder);
	const struct dirent *entry;

	if (!list)
		return;
	while ((entry = readdir(list)))
		unlinkat(dirfd(list), entry->d_name, 0);
	closedir(list);
	unlinkat(dir, folder, AT_REMOVEDIR);
}

/* <pid>.probe.slabs of a process that could not be looked at after all. */
static void remove_probed(int dir)
{
	DIR *list = recording_list(dir, ".");
	const struct dirent *entry;

	if (!list)
		return;
	while ((entry = readdir(list)))
		if (slabfile_is_probed(entry->d_name))
			unlinkat(dir, entry->d_name, 0);
		else if (!strncmp(entry->d_name, "replaced-", 9))
			remove_copy(dir, entry->d_name);
	closedir(list);
}

void recording_discard(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	unlinkat(dir, "meta.json", 0);
	unlinkat(dir, "host.slabs", 0);
	unlinkat(dir, QUOTA_FILE, 0);
	remove_probed(dir);
	close(dir);
	rmdir(path);
}

bool recording_is(const char *path)
{
	DIR *list = opendir(path);
	const struct dirent *entry;
	bool found = false;

	if (!list)
		return false;
	while (!found && (entry = readdir(list))) {
		const char *dot = strrchr(entry->d_name, '.');

		found = strcmp(entry->d_name, "meta.json") == 0 ||
			(dot && strcmp(dot, ".slabs") == 0);
	}
	closedir(list);
	return found;
}

bool recording_parse_name(const char *name, pid_t *pid, uint32_t *image)
{
	unsigned long n, i = 0;
	char *end;

	if (!isdigit((unsigned char)*name))
		return false;
	n = strtoul(name, &end, 10);
	if (*end == '.' && isdigit((unsigned char)end[1]))
		i = strtoul(end + 1, &end, 10);
	if (strcmp(end, ".slabs") != 0 || n == 0 || n > INT_MAX ||
	    i > UINT32_MAX)
		return false;
	*pid = (pid_t)n;
	*image = (uint32_t)i;
	return true;
}

static void name_image(char name[64], pid_t pid, uint32_t image)
{
	if (image)
		snprintf(name, 64, "%d.%u.slabs", (int)pid, image);
	else
		snprintf(name, 64, "%d.slabs", (int)pid);
}

void recording_file(const char *dir, pid_t pid, uint32_t image,
		    char path[PATH_MAX])
{
	char name[64];

	name_image(name, pid, image);
	snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

static int open_image(int dir, pid_t pid, uint32_t image)
{
	char name[64];

	name_image(name, pid, image);
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Read, not mapped: a file that is cut must not raise SIGBUS here. */
static bool read_header(int fd, struct slab_file *file)
{
	return pread(fd, file, sizeof(*file), 0) == (ssize_t)sizeof(*file) &&
	       file->magic == SLAB_FILE_MAGIC && file->format <= SLAB_FORMAT;
}

static bool read_page(int fd, struct recording_page *page)
{
	struct slab_file file;

	if (!read_header(fd, &file))
		return false;
	*page = (struct recording_page) {
		.control = file.control,
		.slabs_taken = file.slabs_taken,
		.slabs_given_back = file.slabs_given_back,
		.stats = file.stats,
		.allocator = file.allocator,
		.python = file.python,
	};
	return true;
}

static bool read_header_of(int dir, pid_t pid, uint32_t image,
			   struct slab_file *file)
{
	int fd = open_image(dir, pid, image);
	bool ok;

	if (fd < 0)
		return false;
	ok = read_header(fd, file);
	close(fd);
	return ok;
}

bool recording_read_exe(int dir, pid_t pid, uint32_t image,
			char exe[sizeof(((struct slab_file *)0)->exe)],
			uint64_t *began_ns)
{
	struct slab_file file;

	if (!read_header_of(dir, pid, image, &file))
		return false;
	memcpy(exe, file.exe, sizeof(file.exe));
	exe[sizeof(file.exe) - 1] = '\0';
	*began_ns = file.start_monotonic_ns;
	return true;
}

pid_t recording_read_parent(int dir, pid_t pid, uint32_t image)
{
	struct slab_file file;

	return read_header_of(dir, pid, image, &file) ? file.ppid : 0;
}

bool recording_read_page(int dir, pid_t pid, uint32_t image,
			 struct recording_page *page)
{
	int fd = open_image(dir, pid, image);
	struct recording_page again;
	bool ok;

	if (fd < 0)
		return false;
	ok = read_page(fd, page);
	/* Its writer makes `turn` odd, writes, and makes it even. */
	for (int tries = 0; ok && tries < 4; tries++) {
		ok = read_page(fd, &again);
		if (ok && again.allocator.turn == page->allocator.turn &&
		    again.allocator.turn % 2 == 0)
			break;
		*page = again;
		if (tries == 3)
			page->allocator = (struct slab_allocator_stats) { 0 };
	}
	close(fd);
	return ok;
}

uint64_t recording_began(const char *path)
{
	DIR *list = opendir(path);
	const struct dirent *entry;
	uint64_t began = 0;

	if (!list)
		return 0;
	while ((entry = readdir(list))) {
		struct slab_file file;
		uint32_t image;
		pid_t pid;
		int fd;

		if (!recording_parse_name(entry->d_name, &pid, &image))
			continue;
		fd = open_image(dirfd(list), pid, image);
		if (fd < 0)
			continue;
		if (read_header(fd, &file) &&
		    (!began || file.start_realtime_ns < began))
			began = file.start_realtime_ns;
		close(fd);
	}
	closedir(list);
	return began;
}

bool recording_ended(const char *path)
{
	DIR *list = opendir(path);
	const struct dirent *entry;
	bool any = false, live = false;

	if (!list)
		return false;
	while (!live && (entry = readdir(list))) {
		struct slab_file file;
		uint32_t image;
		pid_t pid;
		int fd;

		if (!recording_parse_name(entry->d_name, &pid, &image))
			continue;
		fd = open_image(dirfd(list), pid, image);
		if (fd < 0)
			continue;
		any = true;
		live = !read_header(fd, &file) || file.ended_monotonic_ns == 0;
		close(fd);
	}
	closedir(list);
	return any && !live;
}
