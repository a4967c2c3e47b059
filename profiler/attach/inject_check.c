#include "profiler/attach/inject_check.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/inject.h"
#include "profiler/attach/inject_image.h"
#include "profiler/attach/loader.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/remote.h"

#define NO_NUMBER      (-1)
#define TRACED_LOOKS   200
#define TRACED_STEP_NS 10000000L

static long number_of(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at ? strtol(at + strlen(key), NULL, 10) : NO_NUMBER;
}

static char state_of(const char *status)
{
	const char *at = strstr(status, "\nState:\t");

	return at ? at[strlen("\nState:\t")] : 'X';
}

static int check_state(int dir, const char *status, int pid, struct err *err)
{
	char state = state_of(status), exe[8];

	if (state == 'Z' || state == 'X')
		return err_set(err, -ESRCH,
			       "process %d has ended; its parent has not taken "
			       "note yet (a zombie)",
			       pid);
	if (procfs_link(dir, "exe", exe, sizeof(exe)) == -ENOENT)
		return err_set(err, -ENOTSUP,
			       "process %d is a thread of the kernel", pid);
	if (state == 'T')
		return err_set(err, -EBUSY,
			       "process %d is stopped (by a signal); continue "
			       "it first",
			       pid);
	return 0;
}

static int check_status(const char *status, int pid, struct err *err)
{
	long tgid = number_of(status, "\nTgid:");
	long tracer = number_of(status, "\nTracerPid:");

	if (tgid != NO_NUMBER && tgid != pid)
		return err_set(err, -ENOTSUP,
			       "%d is a thread of process %ld; name that", pid,
			       tgid);
	if (tracer > 0)
		return err_set(err, -EBUSY,
			       "process %d is traced by process %ld already; "
			       "end that first",
			       pid, tracer);
	if (number_of(status, "\nSeccomp:") > 0)
		return err_set(err, -ENOTSUP,
			       "process %d is sandboxed (seccomp), and might "
			       "be killed for what loading needs: use "
			       "--with bpf",
			       pid);
	if (strstr(status, "x86_Thread_features:") &&
	    strstr(strstr(status, "x86_Thread_features:"), "shstk\n"))
		return err_set(err, -ENOTSUP,
			       "process %d has a shadow stack, which allows "
			       "no detours: use --with bpf",
			       pid);
	return 0;
}

static int check_right(int dir, int pid, struct err *err)
{
	int fd = openat(dir, "mem", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ESRCH || errno == ENOENT)
		return err_set(err, -ESRCH, "process %d has ended", pid);
	return err_set(err, -EPERM,
		       "no right to trace process %d: run strandline as its "
		       "user or as root, see that "
		       "/proc/sys/kernel/yama/ptrace_scope lets it, and that "
		       "the process has not made itself undumpable "
		       "(PR_SET_DUMPABLE, a set-user-ID program)",
		       pid);
}

static int check_machine(int dir, int pid, struct err *err)
{
	Elf64_Ehdr eh = { 0 };
	int fd = openat(dir, "exe", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) /* one may run what one may not read */
		return 0;
	n = pread(fd, &eh, sizeof(eh), 0);
	close(fd);
	if (n == (ssize_t)sizeof(eh) &&
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) == 0 &&
	    (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_machine != EM_X86_64))
		return err_set(err, -ENOTSUP,
			       "process %d is not an x86-64 process; only "
			       "those can be recorded",
			       pid);
	return 0;
}

/* The loader finds what it is sent by way of /proc. */
static int check_proc(int dir, int pid, struct err *err)
{
	struct stat sb;

	if (fstatat(dir, "root/proc/self/", &sb, 0) == 0 ||
	    fstatat(dir, "root/proc/stat", &sb, 0) == 0)
		return 0;
	return err_set(err, -ENOTSUP,
		       "process %d has no /proc in its root; use --with bpf",
		       pid);
}

/* A look takes a tracer a moment; one that stays is there longer. */
static int read_status(int dir, struct buf *status)
{
	const struct timespec step = { .tv_nsec = TRACED_STEP_NS };
	int rc = 0;

	for (int i = 0; i < TRACED_LOOKS; i++) {
		rc = procfs_read(dir, "status", status);
		if (rc < 0 || number_of(status->bytes, "\nTracerPid:") <= 0)
			break;
		nanosleep(&step, NULL);
	}
	return rc;
}

int inject_check_process(pid_t pid, struct err *err)
{
	int dir = procfs_open("/proc", pid), rc;
	struct buf status = BUF_INIT;

	if (pid == getpid())
		rc = err_set(err, -ENOTSUP, "process %d is this strandline",
			     (int)pid);
	else if (dir < 0)
		rc = err_set(err, -ESRCH, "there is no process %d", (int)pid);
	else if (read_status(dir, &status) < 0)
		rc = err_set(err, -ESRCH, "process %d has ended", (int)pid);
	else
		rc = check_state(dir, status.bytes, (int)pid, err);
	if (rc == 0)
		rc = check_status(status.bytes, (int)pid, err);
	if (rc == 0)
		rc = check_right(dir, (int)pid, err);
	if (rc == 0)
		rc = check_machine(dir, (int)pid, err);
	if (rc == 0)
		rc = check_proc(dir, (int)pid, err);
	buf_free(&status);
	if (dir >= 0)
		close(dir);
	return rc;
}

/*
 * What another build left is another's: its layouts may differ.  It stays
 * dormant, and ours is sent beside it.
 */
int inject_check_recorder(struct loader *l, const struct buf *image,
			  struct err *err)
{
	uint8_t id[MODULE_BUILD_ID_MAX];
	size_t size = inject_image_build_id(image, id);

	if (!l->recorder_count || loader_choose(l, id, size) ||
	    l->recorder.start || !l->recording)
		return 0;
	return err_set(err, -EALREADY,
		       "process %d is being recorded by another build of "
		       "strandline; detach it with that",
		       (int)l->pid);
}

int inject_check_room(const struct loader *l, const struct buf *image,
		      uint64_t *unused, struct err *err)
{
	const struct static_tls_need need = inject_image_tls(image);
	struct remote memory = remote_process(l->pid);
	struct static_tls room;

	*unused = 0;
	if (l->recorder.start || !static_tls_read(&room, &memory, &l->tls))
		return 0;
	*unused = room.unused;
	if (static_tls_fits(&room, &need))
		return 0;
	return err_set(err, -ENOTSUP,
		       "process %d has no room left for thread-local memory of "
		       "libraries that come late (static TLS: %llu bytes are "
		       "needed, %llu left): use --with bpf, or start it with "
		       "strandline run",
		       (int)l->pid, (unsigned long long)need.size,
		       (unsigned long long)room.unused);
}

int inject_same_build(pid_t pid, const struct buf *image, struct err *err)
{
	uint8_t id[MODULE_BUILD_ID_MAX];
	size_t size = inject_image_build_id(image, id);
	struct loader l;
	int rc = loader_read(&l, pid, 1, err);

	if (rc < 0)
		return rc;
	if (!loader_choose(&l, id, size))
		rc = err_set(err, -ENOTSUP,
			     "process %d was started with the recorder of "
			     "another build of strandline; use that, or start "
			     "it anew",
			     (int)pid);
	loader_free(&l);
	return rc;
}
