#include "profiler/proc/anatomy.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/cgroup.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/task.h"

#define FILE_MOST (1UL << 30) /* of a program that is searched */

/* The beginning of a mapped file's name, and what has such a file. */
static const struct part {
	const char *file, *name;
} allocators[] = {
	{ "libjemalloc", "jemalloc" },	 { "libtcmalloc", "tcmalloc" },
	{ "libmimalloc", "mimalloc" },	 { "libhoard", "Hoard" },
	{ "librpmalloc", "rpmalloc" },	 { "libsnmalloc", "snmalloc" },
	{ "libscudo", "Scudo" },	 { NULL, NULL },
}, interpreters[] = {
	{ "libpython", "CPython" },  { "python", "CPython" },
	{ "libpypy", "PyPy" },	     { "pypy", "PyPy" },
	{ "node", "node" },	     { "libnode", "node" },
	{ "libjvm.so", "java" },     { "libruby", "ruby" },
	{ "ruby", "ruby" },	     { "php", "php" },
	{ "libperl", "perl" },	     { "perl", "perl" },
	{ "libcoreclr.so", ".NET" }, { "beam.smp", "Erlang" },
	{ NULL, NULL },
}, tls_libraries[] = {
	{ "libssl.so", "OpenSSL" },	 { "libssl3.so", "NSS" },
	{ "libgnutls", "GnuTLS" },	 { "libmbedtls", "mbed TLS" },
	{ "libwolfssl", "wolfSSL" },	 { "libssl-", "OpenSSL" },
	{ NULL, NULL },
};

/* Texts that a library linked into the program leaves in it. */
static const struct part linked_allocators[] = {
	{ "<jemalloc>", "jemalloc" },
	{ "tcmalloc: large alloc", "tcmalloc" },
	{ "MIMALLOC_", "mimalloc" },
	{ NULL, NULL },
}, linked_tls[] = {
	{ "BoringSSL", "BoringSSL" }, { "OpenSSL 3.", "OpenSSL" },
	{ "OpenSSL 1.", "OpenSSL" },  { "rustls", "rustls" },
	{ NULL, NULL },
}, linked_interpreters[] = {
	{ "\xff Go buildinf:", "Go" }, { NULL, NULL },
}, linked_glibc[] = {
	{ "GNU C Library", "glibc" }, { NULL, NULL },
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static const char *find_file(const struct part *parts, const char *file)
{
	for (; parts->file; parts++)
		if (begins(file, parts->file))
			return parts->name;
	return NULL;
}

static void take_file(struct anatomy *a, const char *path, bool *has_loader)
{
	const char *file = strrchr(path, '/') + 1;
	const char *found;

	if (begins(file, "ld-linux") || begins(file, "ld-2."))
		*has_loader = true;
	/* musl's file has several names; glibc's libc.so is no library. */
	if (begins(file, "ld-musl") || begins(file, "libc.musl") ||
	    strcmp(file, "libc.so") == 0) {
		*has_loader = true;
		a->libc = ANATOMY_MUSL;
	}
	if (begins(file, "libc.so.6") || begins(file, "libc-2."))
		a->libc = ANATOMY_GLIBC;
	if (begins(file, "libstrandline"))
		a->shim = true;
	if ((found = find_file(allocators, file)))
		a->allocator = found;
	if (!a->tls)
		a->tls = find_file(tls_libraries, file);
	/* "node" and "python3" are programs, and names that data has, too. */
	if (!a->interpreter &&
	    (begins(file, "lib") || strcmp(path, a->exe) == 0))
		a->interpreter = find_file(interpreters, file);
}

void anatomy_parse_maps(struct anatomy *a, const char *maps)
{
	struct maps_cursor c = maps_begin(maps, strlen(maps));
	bool has_loader = false;
	struct maps_entry e;
	char path[4096];

	a->allocator = "";
	while (maps_next(&c, &e)) {
		if (!e.path_len || e.path[0] != '/')
			continue;
		maps_path(&e, path, sizeof(path));
		if (maps_path_ends(&e, ".slabs") && e.shared) {
			a->recording = true;
			*strrchr(path, '/') = '\0';
			snprintf(a->recording_dir, sizeof(a->recording_dir),
				 "%.1000s", path);
			continue;
		}
		/* A library is code; a file of data can be called anything. */
		if (e.prot & MAPS_EXEC || e.offset == 0)
			take_file(a, path, &has_loader);
	}
	a->is_static = !has_loader;
	if (!a->allocator[0])
		a->allocator = a->libc == ANATOMY_GLIBC	 ? "glibc"
			       : a->libc == ANATOMY_MUSL ? "musl"
							 : "unknown";
}

static long number_of(const char *text, const char *field)
{
	const char *at = strstr(text, field);

	return at ? strtol(at + strlen(field), NULL, 10) : 0;
}

void anatomy_parse_status(struct anatomy *a, const char *status)
{
	const char *at = strstr(status, "\nNSpid:"), *end;

	a->uid = (uid_t)number_of(status, "\nUid:");
	a->threads = (uint64_t)number_of(status, "\nThreads:");
	a->seccomp = (int)number_of(status, "\nSeccomp:");
	a->no_new_privs = number_of(status, "\nNoNewPrivs:") == 1;
	a->tracer = (pid_t)number_of(status, "\nTracerPid:");
	a->rss = (uint64_t)number_of(status, "\nVmRSS:") * 1024;
	a->own_pid = a->pid;
	if (!at)
		return;
	end = at + 1 + strcspn(at + 1, "\n");
	while (end > at && end[-1] != '\t')
		end--;
	a->own_pid = (pid_t)strtol(end, NULL, 10);
}

void anatomy_parse_cgroup(struct anatomy *a, const char *cgroup)
{
	static const struct part kinds[] = {
		{ "docker", "docker" },
		{ "kubepods", "Kubernetes" },
		{ "libpod", "podman" },
		{ "crio", "CRI-O" },
		{ "containerd", "containerd" },
		{ "lxc", "LXC" },
		{ "machine.slice", "a machine of systemd" },
		{ NULL, NULL },
	};

	a->container[0] = '\0';
	for (const struct part *k = kinds; k->file; k++)
		if (strstr(cgroup, k->file)) {
			snprintf(a->container, sizeof(a->container), "%s",
				 k->name);
			return;
		}
}

static const char *find_text(const struct part *parts, const char *bytes,
			     size_t size, const char **at)
{
	for (; parts->file; parts++) {
		*at = memmem(bytes, size, parts->file, strlen(parts->file));
		if (*at)
			return parts->name;
	}
	return NULL;
}

/* "... stable release version 2.36." behind the name of the library. */
static void take_glibc_version(struct anatomy *a, const char *bytes,
			       size_t size)
{
	static const char text[] = "release version ";
	const char *at = memmem(bytes, size, text, strlen(text));
	size_t left, len;

	if (!at)
		return;
	at += strlen(text);
	left = size - (size_t)(at - bytes);
	for (len = 0; len < left && strchr("0123456789.", at[len]) && at[len];)
		len++;
	while (len && at[len - 1] == '.')
		len--;
	snprintf(a->libc_version, sizeof(a->libc_version), "%.*s", (int)len,
		 at);
}

/* All of what @fd has open, which is closed; NULL when it cannot be had. */
static const char *map_open(int fd, size_t *size)
{
	void *bytes = MAP_FAILED;
	struct stat sb;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_size > 0 &&
	    (uint64_t)sb.st_size <= FILE_MOST)
		bytes = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE,
			     fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return NULL;
	*size = (size_t)sb.st_size;
	return bytes;
}

/* The whole of a file below the process's root. */
static const char *map_file(const struct anatomy *a, const char *path,
			    size_t *size)
{
	char full[PATH_MAX + PROCFS_ROOT_MAX], root[PROCFS_ROOT_MAX] = "";
	int dir = procfs_open("/proc", a->pid);

	if (dir >= 0) {
		procfs_root(dir, a->pid, root);
		close(dir);
	}
	snprintf(full, sizeof(full), "%s%s", root, path);
	return map_open(open(full, O_RDONLY | O_CLOEXEC), size);
}

static void look_into_program(struct anatomy *a)
{
	const char *at, *found, *bytes;
	const Elf64_Ehdr *elf;
	char path[64];
	size_t size;

	/* Even when it was deleted. */
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)a->pid);
	bytes = map_open(open(path, O_RDONLY | O_CLOEXEC), &size);
	if (!bytes)
		return;
	elf = (const void *)bytes;
	a->x86_64 = size > sizeof(*elf) && elf->e_machine == EM_X86_64 &&
		    elf->e_ident[EI_CLASS] == ELFCLASS64;
	if (a->is_static && find_text(linked_glibc, bytes, size, &at)) {
		a->libc = ANATOMY_GLIBC;
		take_glibc_version(a, bytes, size);
		a->allocator = "glibc";
	}
	found = find_text(linked_allocators, bytes, size, &at);
	if (found && strcmp(found, a->allocator) != 0) {
		a->allocator = found;
		a->allocator_linked = true;
	}
	if (!a->tls && (a->tls = find_text(linked_tls, bytes, size, &at)))
		a->tls_linked = true;
	if (!a->interpreter)
		a->interpreter =
			find_text(linked_interpreters, bytes, size, &at);
	munmap((void *)bytes, size);
}

/* The version stands in the library itself. */
static void look_into_libc(struct anatomy *a, const char *maps)
{
	struct maps_cursor c = maps_begin(maps, strlen(maps));
	struct maps_entry e;
	char path[4096];
	const char *bytes;
	size_t size;

	while (a->libc == ANATOMY_GLIBC && !a->libc_version[0] &&
	       maps_next(&c, &e)) {
		if (!maps_path_ends(&e, "/libc.so.6") &&
		    !strstr(maps_path(&e, path, sizeof(path)), "/libc-2."))
			continue;
		bytes = map_file(a, maps_path(&e, path, sizeof(path)), &size);
		if (!bytes)
			return;
		take_glibc_version(a, bytes, size);
		munmap((void *)bytes, size);
	}
}

static bool differs(int dir, const char *name)
{
	char theirs[128], ours[128], path[64];
	ssize_t n;

	if (procfs_link(dir, name, theirs, sizeof(theirs)) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/%s", name);
	n = readlink(path, ours, sizeof(ours) - 1);
	if (n < 0)
		return false;
	ours[n] = '\0';
	return strcmp(theirs, ours) != 0;
}

static void look_around(struct anatomy *a, int dir)
{
	struct buf text = BUF_INIT;
	struct cgroup group = { .path = "" };
	struct stat sb;

	a->other_mounts = differs(dir, "ns/mnt");
	a->other_pids = differs(dir, "ns/pid");
	a->other_net = differs(dir, "ns/net");
	a->other_user = differs(dir, "ns/user");
	/* The kernel gives what is not dumpable to root. */
	a->dumpable =
		fstatat(dir, "environ", &sb, 0) < 0 || sb.st_uid == a->uid;
	a->memory_limit = a->memory_used = UINT64_MAX;
	if (procfs_read(dir, "cgroup", &text) == 0) {
		anatomy_parse_cgroup(a, text.bytes);
		cgroup_find(&group, CGROUP_BASE, text.bytes);
		if (group.path[0]) {
			a->memory_limit = cgroup_limit(&group);
			a->memory_used = cgroup_usage(&group);
		}
	}
	/* The kernel lets read this who may attach. */
	a->traceable = procfs_read(dir, "syscall", &text) == 0;
	buf_free(&text);
}

static void read_command(struct anatomy *a, int dir)
{
	static const char gone[] = " (deleted)";
	struct buf text = BUF_INIT;
	size_t len;

	if (procfs_link(dir, "exe", a->exe, sizeof(a->exe)) < 0)
		a->exe[0] = '\0';
	len = strlen(a->exe);
	if (len > strlen(gone) &&
	    strcmp(a->exe + len - strlen(gone), gone) == 0) {
		a->exe[len - strlen(gone)] = '\0';
		a->exe_deleted = true;
	}
	if (procfs_read(dir, "cmdline", &text) == 0 && text.len) {
		for (size_t i = 0; i + 1 < text.len; i++)
			if (!text.bytes[i])
				text.bytes[i] = ' ';
		snprintf(a->command, sizeof(a->command), "%s", text.bytes);
	}
	buf_free(&text);
}

static int check_life(struct anatomy *a, int dir, const char *status,
		      struct err *err)
{
	struct procfs_stat stat;

	if (procfs_stat(dir, &stat) < 0)
		return err_set(err, -ESRCH, "process %d has ended",
			       (int)a->pid);
	a->state = stat.state;
	if (stat.state == 'Z' || stat.state == 'X')
		return err_set(err, -ESRCH,
			       "process %d has ended; its parent, process %d, "
			       "has not asked for its status yet",
			       (int)a->pid, (int)stat.ppid);
	if (!strstr(status, "\nVmSize:"))
		return err_set(err, -ENOTSUP,
			       "process %d is a thread of the kernel",
			       (int)a->pid);
	return 0;
}

int anatomy_read(struct anatomy *a, pid_t pid, struct err *err)
{
	struct buf text = BUF_INIT;
	int dir = procfs_open("/proc", pid), rc;

	*a = (struct anatomy) { .pid = pid, .allocator = "unknown" };
	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(dir, "status", &text);
	if (rc < 0) {
		err_set(err, -ESRCH, "process %d has ended", (int)pid);
		rc = -ESRCH;
		goto close_dir;
	}
	anatomy_parse_status(a, text.bytes);
	rc = check_life(a, dir, text.bytes, err);
	if (rc < 0)
		goto close_dir;
	read_command(a, dir);
	look_around(a, dir);
	a->readable = procfs_read(dir, "maps", &text) == 0 && text.len > 0;
	if (a->readable) {
		anatomy_parse_maps(a, text.bytes);
		look_into_program(a);
		look_into_libc(a, text.bytes);
	}
close_dir:
	buf_free(&text);
	close(dir);
	return rc;
}
