/*
 * admit: is that PID a process that can be attached to?  And hold on to it.
 */
#include "profiler/cmd/admit.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/procfs.h"

static int parse_pid(const char *word, pid_t *pid, struct err *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(word, &end, 10);
	if (*end || end == word || errno || n <= 0 || n > INT_MAX)
		return err_set(err, -EINVAL,
			       "'%s' is no process id; it is a number, as ps "
			       "and pgrep print it",
			       word);
	*pid = (pid_t)n;
	return 0;
}

static int gone(pid_t pid, struct err *err)
{
	return err_set(err, -ESRCH, "there is no process %d", (int)pid);
}

/* A line of /proc/PID/status, "Tgid:\t12": its last number, or 0. */
static pid_t status_number(const struct buf *status, const char *key)
{
	const char *line = strstr(status->bytes, key), *end, *last;

	if (!line)
		return 0;
	end = strchrnul(line + 1, '\n'); /* past the one of @key */
	last = end;
	while (last > line && last[-1] != '\t' && last[-1] != ' ')
		last--;
	return (pid_t)strtol(last, NULL, 10);
}

static int read_status(struct admitted *p, struct err *err)
{
	struct buf status = BUF_INIT;
	pid_t leader;
	int rc = procfs_read(p->dir, "status", &status);

	if (rc < 0) {
		buf_free(&status);
		return gone(p->pid, err);
	}
	leader = status_number(&status, "\nTgid:");
	p->own_pid = status_number(&status, "\nNSpid:");
	if (!p->own_pid)
		p->own_pid = p->pid;
	buf_free(&status);
	if (leader && leader != p->pid)
		return err_set(err, -ENOTSUP,
			       "%d is a thread of process %d; attach to that",
			       (int)p->pid, (int)leader);
	return 0;
}

static int foreign(const struct admitted *p, struct err *err)
{
	const struct passwd *owner = NULL;
	struct stat sb;

	if (fstat(p->dir, &sb) == 0)
		owner = getpwuid(sb.st_uid);
	return err_set(err, -EACCES,
		       "process %d may not be looked into: it is %s's; run "
		       "this as that user, or as root",
		       (int)p->pid, owner ? owner->pw_name : "somebody else");
}

/* Without a program it is a kernel thread; its class is in its program. */
static int read_program(struct admitted *p, struct err *err)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	ssize_t len = procfs_link(p->dir, "exe", p->exe, sizeof(p->exe));
	int fd;

	if (len == -ENOENT)
		return err_set(err, -ENOTSUP,
			       "process %d is a thread of the kernel: there is "
			       "no program to look at",
			       (int)p->pid);
	if (len == -EACCES || len == -EPERM)
		return foreign(p, err);
	if (len < 0)
		return gone(p->pid, err);
	fd = openat(p->dir, "exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH ? gone(p->pid, err)
							 : foreign(p, err);
	len = pread(fd, ident, sizeof(ident), 0);
	close(fd);
	if (len == sizeof(ident) && memcmp(ident, ELFMAG, SELFMAG) == 0 &&
	    ident[EI_CLASS] == ELFCLASS32)
		return err_set(err, -ENOTSUP,
			       "process %d runs %s, a 32-bit program; only "
			       "64-bit ones can be looked into",
			       (int)p->pid, p->exe);
	return 0;
}

static int examine(struct admitted *p, struct err *err)
{
	struct procfs_stat stat;
	int rc = read_status(p, err);

	if (rc < 0)
		return rc;
	if (procfs_stat(p->dir, &stat) < 0)
		return gone(p->pid, err);
	if (stat.state == 'Z' || stat.state == 'X')
		return err_set(err, -ESRCH,
			       "process %d has ended already: its parent, "
			       "process %d, has not taken notice yet",
			       (int)p->pid, (int)stat.ppid);
	p->start_ticks = stat.start_ticks;
	rc = read_program(p, err);
	if (rc < 0)
		return rc;
	/* All of it was of one process only if that one lives still. */
	return admitted_lives(p) ? 0 : gone(p->pid, err);
}

int admit(struct admitted *process, const char *word, struct err *err)
{
	struct admitted p = { .pidfd = -1, .dir = -1 };
	int rc = parse_pid(word, &p.pid, err);

	*process = p;
	if (rc < 0)
		return rc;
	if (p.pid == getpid())
		return err_set(err, -ENOTSUP,
			       "process %d is this strandline itself",
			       (int)p.pid);
	p.dir = procfs_open("/proc", p.pid);
	if (p.dir < 0)
		return gone(p.pid, err);
	p.pidfd = (int)syscall(SYS_pidfd_open, p.pid, 0);
	if (p.pidfd < 0 && errno != EINVAL) {
		rc = errno == ESRCH
			     ? gone(p.pid, err)
			     : err_errno(err, "cannot hold on to process %d",
					 (int)p.pid);
		close(p.dir);
		return rc;
	}
	rc = examine(&p, err); /* EINVAL: a thread, which this says */
	if (rc < 0)
		admitted_close(&p);
	else
		*process = p;
	return rc;
}

void admitted_close(struct admitted *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	if (process->dir >= 0)
		close(process->dir);
	process->pidfd = process->dir = -1;
}

bool admitted_lives(const struct admitted *process)
{
	struct pollfd fd = { .fd = process->pidfd, .events = POLLIN };

	return poll(&fd, 1, 0) == 0;
}
