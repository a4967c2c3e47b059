/*
 * program: the file that a command runs, and whether the shim can be in it.
 */
#include "profiler/cmd/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "profiler/base/err.h"

#define SCRIPT_DEPTH 4 /* as many #! in a row as the kernel follows */
#define LIBRARY	     "libstrandline.so"

#if defined(__x86_64__)
#define MACHINE	     EM_X86_64
#define MACHINE_NAME "x86-64"
#define MULTIARCH    "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MACHINE	     EM_AARCH64
#define MACHINE_NAME "aarch64"
#define MULTIARCH    "aarch64-linux-gnu"
#else
#error "the shim does not know this machine"
#endif

static bool is_file(const char *path)
{
	struct stat sb;

	return stat(path, &sb) == 0 && S_ISREG(sb.st_mode);
}

static int find_in_place(const char *name, char path[PATH_MAX], struct err *err)
{
	struct stat sb;

	if (stat(name, &sb) < 0)
		return err_errno(err, "cannot run %s", name);
	if (S_ISDIR(sb.st_mode))
		return err_set(err, -EISDIR, "cannot run %s: it is a directory",
			       name);
	if (access(name, X_OK) < 0)
		return err_set(err, -EACCES,
			       "cannot run %s: it is not executable", name);
	snprintf(path, PATH_MAX, "%s", name);
	return 0;
}

int program_find(const char *name, const char *search, char path[PATH_MAX],
		 struct err *err)
{
	bool refused = false;

	if (!*name)
		return err_set(err, -ENOENT, "the command has no name");
	if (strchr(name, '/'))
		return find_in_place(name, path, err);
	if (!search || !*search)
		search = "/usr/local/bin:/usr/bin:/bin";
	for (const char *at = search;; at++) {
		int len = (int)strcspn(at, ":");

		/* An empty entry is the current directory. */
		snprintf(path, PATH_MAX, "%.*s%s%s", len, at, len ? "/" : "./",
			 name);
		if (is_file(path)) {
			if (access(path, X_OK) == 0)
				return 0;
			refused = true;
		}
		at += len;
		if (!*at)
			break;
	}
	if (refused)
		return err_set(err, -EACCES,
			       "cannot run %s: the one in PATH is not "
			       "executable",
			       name);
	return err_set(err, -ENOENT,
		       "cannot run %s: there is no such command in PATH", name);
}

/*
 * The loader then runs in secure mode and drops LD_PRELOAD.  For root a file
 * that only makes one root changes nothing.
 */
static int check_privilege(const char *path, struct err *err)
{
	struct stat sb;
	bool gains;

	if (stat(path, &sb) < 0)
		return err_errno(err, "cannot run %s", path);
	gains = ((sb.st_mode & S_ISUID) && sb.st_uid != geteuid()) ||
		((sb.st_mode & S_ISGID) && sb.st_gid != getegid()) ||
		(geteuid() != 0 &&
		 getxattr(path, "security.capability", NULL, 0) > 0);
	if (!gains)
		return 0;
	return err_set(err, -EPERM,
		       "%s gains privilege by its file (set-user-ID or "
		       "capabilities), and such programs ignore LD_PRELOAD; "
		       "run strandline as the user it becomes",
		       path);
}

/* A program's interpreter and dynamic section, from its program headers. */
static int check_headers(int fd, const char *path, const Elf64_Ehdr *eh,
			 struct err *err)
{
	Elf64_Phdr ph;

	for (unsigned i = 0; i < eh->e_phnum; i++) {
		char loader[256] = "";
		size_t size;

		if (pread(fd, &ph, sizeof(ph),
			  (off_t)(eh->e_phoff + i * sizeof(ph))) !=
		    (ssize_t)sizeof(ph))
			break;
		if (ph.p_type != PT_INTERP)
			continue;
		size = ph.p_filesz < sizeof(loader) ? ph.p_filesz
						    : sizeof(loader) - 1;
		if (pread(fd, loader, size, (off_t)ph.p_offset) < 0)
			break;
		if (!strstr(loader, "musl"))
			return 0;
		return err_set(err, -ENOEXEC,
			       "%s uses the C library musl (%s), which the "
			       "shim does not know; run a build for glibc",
			       path, loader);
	}
	return err_set(err, -ENOEXEC,
		       "%s is linked statically, so LD_PRELOAD does not reach "
		       "it; link it dynamically to profile it",
		       path);
}

static int check_elf(int fd, const char *path, const void *head, size_t size,
		     struct err *err)
{
	const Elf64_Ehdr *eh = head;

	if (size < sizeof(*eh))
		return err_set(err, -ENOEXEC, "%s is cut short", path);
	if (eh->e_ident[EI_CLASS] != ELFCLASS64)
		return err_set(err, -ENOEXEC,
			       "%s is a 32-bit program; only 64-bit ones can "
			       "be profiled",
			       path);
	if (eh->e_machine != MACHINE)
		return err_set(err, -ENOEXEC,
			       "%s is for another machine than " MACHINE_NAME,
			       path);
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return err_set(err, -ENOEXEC, "%s is not a program", path);
	return check_headers(fd, path, eh, err);
}

/* "#! interpreter argument": the interpreter, in place. */
static char *interpreter(char *head, size_t size)
{
	char *at = head + 2;

	head[size] = '\0';
	at += strspn(at, " \t");
	at[strcspn(at, " \t\r\n")] = '\0';
	return at;
}

static int check_at_depth(const char *path, int depth, struct err *err);

static int check_script(const char *path, const char *runs, int depth,
			struct err *err)
{
	struct err why = ERR_INIT;
	int rc = check_at_depth(runs, depth + 1, &why);

	return rc < 0 ? err_set(err, rc, "%s: %s", path, why.text) : 0;
}

static int check_at_depth(const char *path, int depth, struct err *err)
{
	_Alignas(Elf64_Ehdr) char head[512];
	int fd, rc;
	ssize_t n;

	rc = check_privilege(path, err);
	if (rc < 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) /* one may run what one may not read */
		return errno == EACCES ? 0
				       : err_errno(err, "cannot run %s", path);
	n = pread(fd, head, sizeof(head) - 1, 0);
	if (n < 0)
		rc = err_errno(err, "cannot read %s", path);
	else if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
		rc = check_elf(fd, path, head, (size_t)n, err);
	else if (n > 2 && head[0] == '#' && head[1] == '!' &&
		 depth < SCRIPT_DEPTH)
		rc = check_script(path, interpreter(head, (size_t)n), depth,
				  err);
	close(fd);
	return rc;
}

int program_check(const char *path, struct err *err)
{
	return check_at_depth(path, 0, err);
}

/* Words of LD_PRELOAD end at a space or a colon, and cannot be quoted. */
static int check_library(const char *path, struct err *err)
{
	if (!is_file(path))
		return err_set(err, -ENOENT, "cannot use %s: not a file", path);
	if (strpbrk(path, " :"))
		return err_set(err, -EINVAL,
			       "%s cannot be preloaded, as its path has a "
			       "space or a colon; move it, or set "
			       "STRANDLINE_LIBRARY to a copy elsewhere",
			       path);
	return 0;
}

int program_library(const char *exe, char path[PATH_MAX], struct err *err)
{
	static const char *const places[] = {
		"preload", /* a build tree */
		".",
		"../lib/" MULTIARCH "/strandline",
		"../lib/strandline",
		"../lib64/strandline",
		"../preload",
	};
	const char *set = getenv("STRANDLINE_LIBRARY");
	const char *slash = strrchr(exe, '/');
	int dir = slash ? (int)(slash - exe) : 0;
	char resolved[PATH_MAX];

	if (set && *set) {
		if (!realpath(set, path))
			return err_errno(err,
					 "STRANDLINE_LIBRARY: cannot use "
					 "%s",
					 set);
		return check_library(path, err);
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, PATH_MAX, "%.*s/%s/" LIBRARY, dir, exe,
			 places[i]);
		if (!realpath(path, resolved))
			continue;
		strcpy(path, resolved);
		return check_library(path, err);
	}
	return err_set(err, -ENOENT,
		       LIBRARY " is not near %.*s; install strandline anew, or "
			       "set STRANDLINE_LIBRARY to its path",
		       dir, exe);
}
