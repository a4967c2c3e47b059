#include "profiler/attach/tracee.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/proc/procfs.h"

/* What the kernel hands back from a system call that it means to restart. */
#define ERESTARTNOHAND 514

#define CS_64	       0x33
#define VECTOR_WORDS   (16384 / 8) /* of one thread; AMX has 11 KiB */
#define LEFTOVER_NS    10000000000ULL
#define STOP_EVENT(st) ((st) >> 16)
#define STEP_NS	       20000 /* between two looks at a thread */
#define EAGER_LOOKS    20    /* that do not rest */
#define NS_PER_SECOND  1000000000ULL

uint64_t tracees_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/*
 * The end of the process itself is left for whoever waits for it: this may be
 * its parent, which wants its status.
 */
int tracees_wait(pid_t pid, pid_t tid, uint64_t until_ns, int *status)
{
	const struct timespec step = { .tv_nsec = STEP_NS };

	for (unsigned looks = 0;; looks++) {
		siginfo_t si = { 0 };

		if (waitid(P_PID, (id_t)tid, &si,
			   WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) < 0)
			return -errno == -ECHILD ? -ESRCH : -errno;
		if (si.si_pid && tid == pid && si.si_code != CLD_TRAPPED &&
		    si.si_code != CLD_STOPPED)
			return -ESRCH;
		if (si.si_pid) {
			if (waitpid(tid, status, __WALL | WNOHANG) != tid)
				return -ESRCH;
			return WIFSTOPPED(*status) ? 0 : -ESRCH;
		}
		if (tracees_now_ns() > until_ns)
			return -ETIMEDOUT;
		/* Resting, not yielding: on busy CPUs who yields comes last,
		 * and who wakes from a rest comes first. */
		if (looks >= EAGER_LOOKS)
			nanosleep(&step, NULL);
	}
}

/* Calls that fail with EINTR when a stop ends, although no signal came. */
static bool only_a_stop_ends(uint64_t nr)
{
	switch (nr) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case 441: /* epoll_pwait2 */
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_rt_sigtimedwait:
	case SYS_io_getevents:
	case 333: /* io_pgetevents */
		return true;
	default:
		return false;
	}
}

/*
 * With ERESTARTNOHAND the kernel decides as it does for select(): the call is
 * restarted, unless a signal is there whose handler runs first; then it fails
 * with EINTR after all.
 */
void tracee_hide_stop(pid_t tid, struct user_regs_struct *regs)
{
	if ((int64_t)regs->rax != -EINTR || (int64_t)regs->orig_rax < 0 ||
	    !only_a_stop_ends(regs->orig_rax))
		return;
	regs->rax = (uint64_t)-ERESTARTNOHAND;
	ptrace(PTRACE_SETREGS, tid, 0, regs);
}

static char thread_state(const struct tracees *t, pid_t tid)
{
	struct buf text = BUF_INIT;
	struct procfs_stat stat = { .state = 'X' };
	char name[64];

	snprintf(name, sizeof(name), "task/%d/stat", (int)tid);
	if (procfs_read(t->dir, name, &text) < 0 ||
	    !procfs_parse_stat(text.bytes, &stat))
		stat.state = 'X';
	buf_free(&text);
	return stat.state;
}

static bool is_traced(const struct tracees *t, pid_t tid)
{
	struct buf text = BUF_INIT;
	const char *at = NULL;
	char name[64];
	long tracer = 0;

	snprintf(name, sizeof(name), "task/%d/status", (int)tid);
	if (procfs_read(t->dir, name, &text) == 0)
		at = strstr(text.bytes, "\nTracerPid:");
	if (at)
		tracer = strtol(at + strlen("\nTracerPid:"), NULL, 10);
	buf_free(&text);
	return tracer != 0;
}

static int refuse_seize(const struct tracees *t, pid_t tid, struct err *err)
{
	int rc = -errno;
	char state = thread_state(t, tid);

	if (rc == -ESRCH || state == 'Z' || state == 'X')
		return 0; /* it has just ended */
	if (is_traced(t, tid))
		return err_set(err, -EBUSY,
			       "process %d is traced by another program "
			       "already; end that first",
			       (int)t->pid);
	return err_set(err, -EPERM,
		       "no right to stop process %d: run strandline as its "
		       "user or as root, and see that "
		       "/proc/sys/kernel/yama/ptrace_scope lets it",
		       (int)t->pid);
}

struct listing {
	struct tracees *tracees;
	VEC(pid_t) new;
	bool failed;
};

static void list_thread(void *ctx, uint64_t tid)
{
	struct listing *l = ctx;
	const struct tracee *known;
	const pid_t *left_out;
	pid_t *slot;

	vec_foreach (&l->tracees->threads, known)
		if (known->tid == (pid_t)tid)
			return;
	vec_foreach (&l->tracees->left_out, left_out)
		if (*left_out == (pid_t)tid)
			return;
	slot = vec_push(&l->new);
	if (slot)
		*slot = (pid_t)tid;
	else
		l->failed = true;
}

static int leave_out(struct tracees *t, pid_t tid, struct err *err)
{
	pid_t *slot = vec_push(&t->left_out);

	if (!slot)
		return err_set(err, -ENOMEM, "out of memory");
	*slot = tid;
	return 0;
}

static int seize(struct tracees *t, pid_t tid, struct err *err)
{
	struct tracee *new;

	/* One deep in the kernel could keep all the others waiting. */
	if (thread_state(t, tid) == 'D' && t->lenient)
		return leave_out(t, tid, err);
	if (thread_state(t, tid) == 'D')
		return err_set(err, -EBUSY,
			       "thread %d of process %d waits inside the "
			       "kernel; try again",
			       (int)tid, (int)t->pid);
	new = vec_push(&t->threads);
	if (!new)
		return err_set(err, -ENOMEM, "out of memory");
	new->tid = tid;
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0) {
		int rc = refuse_seize(t, tid, err);

		t->threads.count--;
		return rc;
	}
	return 0;
}

/* Threads from number @first on; one that has ended shows when waited for. */
static void interrupt(struct tracees *t, size_t first)
{
	if (!t->asked_ns)
		t->asked_ns = tracees_now_ns();
	for (size_t i = first; i < t->threads.count; i++)
		ptrace(PTRACE_INTERRUPT, t->threads.at[i].tid, 0, 0);
}

/* Threads that are new since the last look; how many, or -errno. */
static ssize_t seize_new(struct tracees *t, struct err *err)
{
	struct listing l = { .tracees = t };
	size_t before = t->threads.count;
	ssize_t rc = procfs_numbers(t->dir, "task", list_thread, &l);

	if (rc < 0)
		err_set(err, (int)rc, "process %d has ended", (int)t->pid);
	else if (l.failed)
		rc = err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; rc >= 0 && i < l.new.count; i++)
		rc = seize(t, l.new.at[i], err);
	interrupt(t, before); /* all at once: nobody stands for the others */
	vec_free(&l.new);
	return rc < 0 ? rc : (ssize_t)(t->threads.count - before);
}

/* Signals that arrive first are let through. */
static int wait_for_stop(const struct tracees *t, pid_t tid, uint64_t until,
			 bool *job_control)
{
	int status, rc;

	for (;;) {
		rc = tracees_wait(t->pid, tid, until, &status);
		if (rc < 0)
			return rc;
		if (STOP_EVENT(status) == PTRACE_EVENT_STOP) {
			*job_control = WSTOPSIG(status) != SIGTRAP;
			return 0;
		}
		ptrace(PTRACE_CONT, tid, 0, (long)WSTOPSIG(status));
	}
}

static int read_registers(struct tracees *t, struct tracee *thread)
{
	size_t at = t->vectors.count;
	struct iovec io = { .iov_len = VECTOR_WORDS * 8 };

	if (ptrace(PTRACE_GETREGS, thread->tid, 0, &thread->regs) < 0)
		return -errno;
	tracee_hide_stop(thread->tid, &thread->regs); /* we may be killed */
	if (t->plain)
		return thread->regs.cs == CS_64 ? 0 : -ENOSYS;
	if (vec_reserve(&t->vectors, at + VECTOR_WORDS) < 0)
		return -ENOMEM;
	io.iov_base = t->vectors.at + at;
	if (ptrace(PTRACE_GETREGSET, thread->tid, NT_X86_XSTATE, &io) == 0)
		t->vectors.count += io.iov_len / 8;
	return thread->regs.cs == CS_64 ? 0 : -ENOSYS;
}

static int stop_error(const struct tracees *t, pid_t tid, int rc,
		      struct err *err)
{
	switch (rc) {
	case -ETIMEDOUT:
		return err_set(err, -EBUSY,
			       "thread %d of process %d did not stop in time; "
			       "try again",
			       (int)tid, (int)t->pid);
	case -ESRCH:
		return err_set(err, rc, "process %d has ended", (int)t->pid);
	case -ENOSYS:
		return err_set(err, rc,
			       "process %d is not an x86-64 process; only "
			       "those are supported",
			       (int)t->pid);
	default:
		return err_set(err, rc, "cannot read registers of thread %d",
			       (int)tid);
	}
}

/* Those of the list that do not stand yet. */
static int wait_for_all(struct tracees *t, uint64_t until, struct err *err)
{
	for (size_t i = 0; i < t->threads.count; i++) {
		struct tracee *thread = &t->threads.at[i];
		bool job_control = false;
		int rc;

		if (thread->stopped || !thread->tid)
			continue;
		rc = wait_for_stop(t, thread->tid, until, &job_control);
		if (rc == -ESRCH && (thread->tid != t->pid || t->lenient)) {
			t->threads.at[i--] = t->threads.at[--t->threads.count];
			continue;
		}
		if (rc == -ETIMEDOUT && t->lenient)
			continue; /* it has no registers, the others do */
		thread->stopped = rc == 0;
		if (rc == 0)
			rc = read_registers(t, thread);
		if (rc < 0)
			return stop_error(t, thread->tid, rc, err);
		if (job_control && !t->lenient)
			return err_set(err, -EBUSY,
				       "process %d is stopped (by a signal); "
				       "continue it first",
				       (int)t->pid);
	}
	return 0;
}

static int stop(struct tracees *t, pid_t pid, uint64_t patience_ns,
		struct err *err)
{
	uint64_t until = tracees_now_ns() + patience_ns;
	ssize_t news = 1;

	t->pid = pid;
	t->dir = procfs_open("/proc", pid);
	if (t->dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	while (news > 0) { /* one that runs may start another */
		news = seize_new(t, err);
		if (news >= 0) {
			int rc = wait_for_all(t, until, err);

			news = rc < 0 ? rc : news;
		}
	}
	if (news == 0 && t->threads.count == 0)
		news = err_set(err, -ESRCH, "process %d has ended", (int)pid);
	if (news < 0)
		tracees_release(t);
	return (int)news;
}

int tracees_stop(struct tracees *t, pid_t pid, uint64_t patience_ns,
		 struct err *err)
{
	*t = (struct tracees) { 0 };
	return stop(t, pid, patience_ns, err);
}

int tracees_stop_plain(struct tracees *t, pid_t pid, uint64_t patience_ns,
		       struct err *err)
{
	*t = (struct tracees) { .plain = true };
	return stop(t, pid, patience_ns, err);
}

int tracees_stop_any(struct tracees *t, pid_t pid, uint64_t patience_ns,
		     struct err *err)
{
	*t = (struct tracees) { .lenient = true, .plain = true };
	return stop(t, pid, patience_ns, err);
}

int tracees_await(struct tracees *t, uint64_t patience_ns, struct err *err)
{
	return wait_for_all(t, tracees_now_ns() + patience_ns, err);
}

void tracees_detach(struct tracees *t, size_t i)
{
	struct tracee *thread = &t->threads.at[i];

	ptrace(PTRACE_DETACH, thread->tid, 0, 0);
	thread->stopped = false;
	thread->tid = 0;
}

/*
 * A thread that was asked to stop and has not yet would stop later, with
 * nobody to let it go: wait for it.
 */
static void release_late(struct tracees *t, pid_t tid)
{
	uint64_t until = tracees_now_ns() + LEFTOVER_NS;
	bool job_control;

	ptrace(PTRACE_INTERRUPT, tid, 0, 0); /* unless it was already */
	if (wait_for_stop(t, tid, until, &job_control) == 0)
		ptrace(PTRACE_DETACH, tid, 0, 0);
}

void tracees_release(struct tracees *t)
{
	for (size_t i = 0; i < t->threads.count; i++)
		if (t->threads.at[i].stopped)
			tracees_detach(t, i);
	for (size_t i = 0; i < t->threads.count; i++)
		if (t->threads.at[i].tid)
			release_late(t, t->threads.at[i].tid);
	vec_free(&t->threads);
	vec_free(&t->left_out);
	vec_free(&t->vectors);
	if (t->dir > 0)
		close(t->dir);
	*t = (struct tracees) { 0 };
}
