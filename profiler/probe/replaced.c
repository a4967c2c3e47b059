/*
 * replaced: see replaced.h.
 */
#include "profiler/probe/replaced.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/proc/maps.h"

#define IMAGE_MOST (1ULL << 30) /* that a file reaches to */
#define KEEP_MOST  (64LL << 20)
#define PORTION	   65536

static bool same_file(const struct maps_entry *a, const struct maps_entry *b)
{
	return a->inode == b->inode && a->device_major == b->device_major &&
	       a->device_minor == b->device_minor;
}

/* /proc/PID/exe leads to a file that has no name any more, too. */
static int open_program(int proc, const struct maps_entry *e)
{
	int fd = openat(proc, "exe", O_RDONLY | O_CLOEXEC);
	struct stat sb;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &sb) == 0 && sb.st_ino == e->inode && S_ISREG(sb.st_mode))
		return fd;
	close(fd);
	return -ENOENT;
}

/* What is mapped past the end of the file cannot be read. */
static int copy_mapping(int to, int memory, const struct maps_entry *e)
{
	char *bytes = malloc(PORTION);
	uint64_t at = 0, left = e->end - e->start;
	ssize_t got = 0;
	int rc = bytes ? 0 : -ENOMEM;

	for (; rc == 0 && left; at += (uint64_t)got, left -= (uint64_t)got) {
		got = pread(memory, bytes, left < PORTION ? left : PORTION,
			    (off_t)(e->start + at));
		if (got <= 0)
			break;
		if (pwrite(to, bytes, (size_t)got, (off_t)(e->offset + at)) !=
		    got)
			rc = -ENOSPC;
	}
	free(bytes);
	return rc;
}

static bool read_at(int fd, void *to, size_t size, uint64_t at)
{
	return pread(fd, to, size, (off_t)at) == (ssize_t)size;
}

/* The loader wrote addresses where the file has vaddrs. */
static void mend_dynamic(int fd, const Elf64_Phdr *dynamic, uint64_t bias)
{
	uint64_t at = dynamic->p_offset, end = at + dynamic->p_filesz;
	Elf64_Dyn entry;

	for (; at < end && read_at(fd, &entry, sizeof(entry), at);
	     at += sizeof(entry)) {
		if (entry.d_tag != DT_SYMTAB && entry.d_tag != DT_STRTAB &&
		    entry.d_tag != DT_HASH && entry.d_tag != DT_GNU_HASH)
			continue;
		if (entry.d_un.d_ptr < bias)
			continue;
		entry.d_un.d_ptr -= bias;
		(void)!pwrite(fd, &entry, sizeof(entry), (off_t)at);
	}
}

/* As its file would be, of which the first byte is at @start. */
static void mend_image(int fd, uint64_t start)
{
	Elf64_Phdr ph, dynamic = { 0 };
	uint64_t bias = start;
	Elf64_Ehdr head;

	if (!read_at(fd, &head, sizeof(head), 0))
		return;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		if (!read_at(fd, &ph, sizeof(ph),
			     head.e_phoff + i * sizeof(ph)))
			return;
		if (ph.p_type == PT_DYNAMIC)
			dynamic = ph;
		else if (ph.p_type == PT_LOAD && ph.p_offset == 0)
			bias = start - ph.p_vaddr;
	}
	mend_dynamic(fd, &dynamic, bias);
	/* Sections are not in memory, and a table that is not there is an
	 * error. */
	head.e_shoff = 0;
	head.e_shnum = head.e_shstrndx = 0;
	(void)!pwrite(fd, &head, sizeof(head), 0);
}

static int copy_image(int proc, const struct maps_entry *of, const char *maps,
		      size_t size)
{
	struct maps_cursor c = maps_begin(maps, size);
	int memory = openat(proc, "mem", O_RDONLY | O_CLOEXEC), fd, rc = 0;
	uint64_t start = of->start - of->offset;
	struct maps_entry e;

	if (memory < 0)
		return -errno;
	fd = memfd_create("replaced", MFD_CLOEXEC);
	if (fd < 0)
		rc = -errno;
	while (rc == 0 && maps_next(&c, &e))
		if (same_file(&e, of) && e.prot & MAPS_READ &&
		    e.offset < IMAGE_MOST && e.end - e.start < IMAGE_MOST) {
			if (e.offset == 0)
				start = e.start;
			rc = copy_mapping(fd, memory, &e);
		}
	close(memory);
	if (rc == 0) {
		mend_image(fd, start);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

int replaced_open(int proc, const struct maps_entry *e, const char *maps,
		  size_t size)
{
	int fd = open_program(proc, e);

	return fd >= 0 ? fd : copy_image(proc, e, maps, size);
}

static int copy_file(int to, int from, off_t size)
{
	off_t at = 0;
	ssize_t n;

	while (at < size) {
		n = sendfile(to, from, &at, (size_t)(size - at));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

static int write_copy(const char *path, int fd, off_t size)
{
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), rc;

	if (to < 0)
		return -errno;
	rc = copy_file(to, fd, size);
	close(to);
	if (rc < 0)
		unlink(path);
	return rc;
}

int64_t replaced_keep(int fd, const char *dir, const struct maps_entry *e,
		      uint64_t most, char path[PATH_MAX])
{
	char folder[PATH_MAX], name[PATH_MAX];
	const char *base = strrchr(maps_path(e, name, sizeof(name)), '/');
	struct stat sb;
	int rc, length;

	if (!base || fstat(fd, &sb) < 0)
		return -EINVAL;
	if (!realpath(dir, folder))
		return -errno;
	/* Roots of two containers may well use the same inode numbers. */
	length = snprintf(path, PATH_MAX, "%s/replaced-%u.%u-%llu", folder,
			  e->device_major, e->device_minor,
			  (unsigned long long)e->inode);
	if ((size_t)length + strlen(base) >= PATH_MAX)
		return -ENAMETOOLONG;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	strcat(path, base);
	if (access(path, F_OK) == 0)
		return 0;
	if (sb.st_size > KEEP_MOST || (uint64_t)sb.st_size > most)
		rc = -EFBIG;
	else
		rc = write_copy(path, fd, sb.st_size);
	if (rc < 0) {
		*strrchr(path, '/') = '\0';
		rmdir(path);
	}
	return rc < 0 ? rc : sb.st_size;
}
