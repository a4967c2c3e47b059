#include "profiler/attach/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"
#include "profiler/proc/remote.h"
#include "profiler/wire/reach.h"
#include "profiler/wire/slab.h"

#define PATIENCE_NS	 100000000ULL  /* for the threads to stop */
#define FORK_NS		 5000000000ULL /* 100 GiB take a second */
#define REAP_NS		 100000000ULL
#define SYSTEM_CALL_STOP (SIGTRAP | 0x80)
#define FLAG_TRAP	 0x100u
#define FLAG_DOWN	 0x400u
#define RSEQ_CS		 8 /* offset of the critical section in struct rseq */

/* Results by which the kernel remembers to restart a system call. */
enum {
	ERESTARTSYS = 512,
	ERESTARTNOINTR = 513,
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
	NR_RESTART_SYSCALL = 219,
};

_Static_assert(sizeof(struct user_regs_struct) == REACH_REGISTERS * 8,
	       "saved as they are");

static bool in_system_call(const struct tracee *thread)
{
	return (int64_t)thread->regs.orig_rax >= 0;
}

/*
 * A thread outside of a system call may be amid a restartable sequence, which
 * the kernel must see interrupted and we would hide.
 */
static bool in_sequence(pid_t pid, const struct tracee *thread)
{
	struct __ptrace_rseq_configuration rseq = { 0 };
	struct remote there = remote_process(pid);
	uint64_t section = 0;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, thread->tid, sizeof(rseq),
		   &rseq) < 0 ||
	    !rseq.rseq_abi_pointer)
		return false;
	return remote_read(&there, rseq.rseq_abi_pointer + RSEQ_CS, &section,
			   sizeof(section)) < 0 ||
	       section != 0;
}

/* Is a thread still on its way back from a tool that was killed? */
static bool is_lent(const struct tracees *t, const struct slab_entry *entry)
{
	const struct tracee *thread;

	vec_foreach (&t->threads, thread)
		if (thread->regs.rip - entry->code < REACH_CODE_SIZE ||
		    entry->stack - thread->regs.rsp < REACH_STACK_SIZE)
			return true;
	return false;
}

/* The thread to borrow; how many there are when none will do. */
static size_t choose(const struct tracees *t)
{
	size_t count = t->threads.count;

	for (size_t i = 0; i < count; i++)
		if (in_system_call(&t->threads.at[i]))
			return i;
	for (size_t i = 0; i < count; i++)
		if (!in_sequence(t->pid, &t->threads.at[i]))
			return i;
	return count;
}

/*
 * What the borrowed thread restores by itself if we die meanwhile: its
 * registers, as the kernel would have changed them to restart a system call.
 */
static struct user_regs_struct restart(struct user_regs_struct regs)
{
	if ((int64_t)regs.orig_rax < 0)
		return regs;
	switch (-(int64_t)regs.rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
		regs.rax = regs.orig_rax;
		regs.rip -= 2;
		break;
	case ERESTART_RESTARTBLOCK:
		regs.rax = NR_RESTART_SYSCALL;
		regs.rip -= 2;
		break;
	}
	return regs;
}

static int remote_write(pid_t pid, uint64_t addr, const void *from, size_t size)
{
	struct iovec here = { (void *)(uintptr_t)from, size };
	struct iovec there = { (void *)(uintptr_t)addr, size };
	ssize_t n = process_vm_writev(pid, &here, 1, &there, 1, 0);

	return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EFAULT;
}

/* A stopped thread sent to make one system call, and what it was before. */
struct loan {
	struct tracees *tracees;
	size_t index;
	pid_t tid;
	struct user_regs_struct regs; /* to give back */
	uint64_t mask;
	int stopped_by; /* a signal that came meanwhile; 0: none */
};

/*
 * Send thread @i to the shim.  The order of these steps: whatever we die
 * after, the thread is either untouched or finds its own way back.
 */
static int lend(struct loan *loan, struct tracees *t, size_t i,
		const struct slab_entry *entry, struct reach_call *call,
		struct err *err)
{
	struct user_regs_struct regs = t->threads.at[i].regs, saved;
	uint64_t all = UINT64_MAX;

	*loan = (struct loan) {
		.tracees = t,
		.index = i,
		.tid = t->threads.at[i].tid,
		.regs = regs,
	};
	if (ptrace(PTRACE_GETSIGMASK, loan->tid, sizeof(loan->mask),
		   &loan->mask) < 0)
		return err_errno(err, "cannot read the signal mask of %d",
				 (int)loan->tid);
	saved = restart(regs);
	memcpy(call->registers, &saved, sizeof(saved));
	call->signal_mask = loan->mask;
	if (remote_write(t->pid, entry->call, call, sizeof(*call)) < 0)
		return err_set(err, -ENOTSUP,
			       "process %d does not have its recorder where "
			       "its recording says",
			       (int)t->pid);
	regs.rip = entry->code;
	regs.rsp = entry->stack;
	regs.orig_rax = (uint64_t)-1;
	regs.eflags &= ~(uint64_t)(FLAG_TRAP | FLAG_DOWN);
	if (ptrace(PTRACE_SETREGS, loan->tid, 0, &regs) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, loan->tid, sizeof(all), &all) < 0) {
		err_errno(err, "cannot borrow thread %d", (int)loan->tid);
		ptrace(PTRACE_SETREGS, loan->tid, 0, &t->threads.at[i].regs);
		return -ESRCH;
	}
	return 0;
}

/*
 * Let the borrowed thread go on to its next stop.  Only signals that cannot
 * be blocked may come in between; SIGSTOP is kept for later.
 */
static int step(struct loan *loan, int *status)
{
	uint64_t until = tracees_now_ns() + FORK_NS;
	pid_t pid = loan->tracees->pid;
	int rc;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, loan->tid, 0, 0) < 0)
			return -errno;
		rc = tracees_wait(pid, loan->tid, until, status);
		if (rc < 0 || *status >> 16 ||
		    WSTOPSIG(*status) == SYSTEM_CALL_STOP)
			return rc;
		loan->stopped_by = WSTOPSIG(*status);
	}
}

/*
 * Stop the borrowed thread where signals and restarts are dealt with, and put
 * everything back: the kernel then goes on as after any stop.
 */
static void give_back(struct loan *loan)
{
	pid_t pid = loan->tracees->pid;
	int status = 0;

	ptrace(PTRACE_INTERRUPT, loan->tid, 0, 0);
	while (status >> 16 != PTRACE_EVENT_STOP)
		if (step(loan, &status) < 0)
			return; /* it has ended */
	ptrace(PTRACE_SETSIGMASK, loan->tid, sizeof(loan->mask), &loan->mask);
	ptrace(PTRACE_SETREGS, loan->tid, 0, &loan->regs);
	tracees_detach(loan->tracees, loan->index);
	if (loan->stopped_by)
		kill(pid, loan->stopped_by);
}

static void release_others(struct tracees *t, size_t borrowed)
{
	for (size_t i = 0; i < t->threads.count; i++)
		if (i != borrowed && t->threads.at[i].tid)
			tracees_detach(t, i);
}

/*
 * Have the borrowed thread make its system call; the others go on as soon as
 * it has been made.  *@result is what it returned, *@child whom it made.
 */
static int make_call(struct loan *loan, int64_t *result, pid_t *child)
{
	struct user_regs_struct regs;
	unsigned long made = 0;
	int status, rc;

	ptrace(PTRACE_SETOPTIONS, loan->tid, 0,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE);
	rc = step(loan, &status); /* about to call */
	if (rc == 0)
		rc = step(loan, &status); /* has called, or forked */
	if (rc == 0 && status >> 16 == PTRACE_EVENT_CLONE) {
		ptrace(PTRACE_GETEVENTMSG, loan->tid, 0, &made);
		*child = (pid_t)made;
		release_others(loan->tracees, loan->index);
		rc = step(loan, &status);
	}
	if (rc == 0 && ptrace(PTRACE_GETREGS, loan->tid, 0, &regs) < 0)
		rc = -errno;
	*result = rc == 0 ? (int64_t)regs.rax : rc;
	return rc;
}

static int fork_error(pid_t pid, int64_t result, struct err *err)
{
	if (result == -ENOMEM)
		return err_set(err, -ENOMEM,
			       "the kernel has no memory to fork process %d "
			       "for a scan (vm.overcommit_memory, a limit of "
			       "its cgroup)",
			       (int)pid);
	return err_set(err, -EAGAIN, "process %d cannot be forked: %s",
		       (int)pid, strerror((int)-result));
}

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

static void prefer_for_oom(pid_t pid)
{
	int fd = open_of(pid, "oom_score_adj", O_WRONLY);

	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		fd += 0; /* then it is as likely to be taken as the server */
	close(fd);
}

/* The fork belongs to us from here on: it never runs. */
static int adopt(struct snapshot *s, struct err *err)
{
	uint64_t until = tracees_now_ns() + FORK_NS;
	int status;

	if (tracees_wait(0, s->pid, until, &status) == 0)
		ptrace(PTRACE_SETOPTIONS, s->pid, 0, PTRACE_O_EXITKILL);
	prefer_for_oom(s->pid);
	s->mem = open_of(s->pid, "mem", O_RDONLY);
	if (s->mem < 0)
		return err_errno(err, "cannot read the memory of process %d",
				 (int)s->origin);
	return 0;
}

static int keep_registers(struct snapshot *s, const struct tracees *t)
{
	size_t each = sizeof(struct user_regs_struct) / 8;
	size_t words = t->threads.count * each + t->vectors.count;

	if (vec_reserve(&s->words, words) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < t->threads.count; i++) {
		const struct user_regs_struct *regs = &t->threads.at[i].regs;
		struct snapshot_stack *stack = vec_push(&s->stacks);

		if (!stack)
			return -ENOMEM;
		*stack = (struct snapshot_stack) { regs->rsp, regs->fs_base };
		memcpy(s->words.at + s->words.count, regs, sizeof(*regs));
		s->words.count += each;
	}
	if (t->vectors.count)
		memcpy(s->words.at + s->words.count, t->vectors.at,
		       t->vectors.count * 8);
	s->words.count += t->vectors.count;
	return 0;
}

/* Leave word for the next tool, should we be killed: see reap_leftover(). */
static void note_fork(const struct snapshot *s)
{
	const uint64_t done_result[] = { 1, (uint64_t)s->inner_pid };

	(void)remote_write(s->origin,
			   s->entry->call + offsetof(struct reach_call, done),
			   done_result, sizeof(done_result));
}

/* All threads stand: fork, let them go. */
static int fork_stopped(struct snapshot *s, struct tracees *t, struct err *err)
{
	struct reach_call call = { .op = REACH_FORK };
	struct loan loan;
	size_t i = choose(t);
	int64_t result;
	int rc;

	if (i == t->threads.count || is_lent(t, s->entry))
		return err_set(err, -EBUSY,
			       "no thread of process %d can be borrowed now; "
			       "try again",
			       (int)t->pid);
	s->tsc = __builtin_ia32_rdtsc();
	s->at_ns = tracees_now_ns();
	rc = lend(&loan, t, i, s->entry, &call, err);
	if (rc < 0)
		return rc;
	rc = make_call(&loan, &result, &s->pid);
	if (rc == 0 && s->pid > 0) {
		s->inner_pid = (pid_t)result;
		note_fork(s);
	}
	give_back(&loan);
	if (s->pid > 0)
		return 0;
	return fork_error(t->pid, rc < 0 ? rc : result, err);
}

/*
 * The process is the fork's parent and has to take note of its end; no wait()
 * of its own would.  Any one thread does; if none will now, the fork's number
 * stays taken until the next snapshot.
 */
static void reap(pid_t origin, const struct slab_entry *entry, pid_t inner_pid)
{
	struct reach_call call = { .op = REACH_REAP,
				   .argument = (uint64_t)inner_pid };
	struct tracees t;
	struct loan loan;
	int64_t result;
	pid_t none;
	size_t i;

	if (tracees_stop(&t, origin, REAP_NS, NULL) < 0)
		return;
	i = choose(&t);
	if (i < t.threads.count && !is_lent(&t, entry) &&
	    lend(&loan, &t, i, entry, &call, NULL) == 0) {
		release_others(&t, i);
		make_call(&loan, &result, &none);
		give_back(&loan);
	}
	tracees_release(&t);
}

/* A tool that was killed took its snapshot along, but could not do this. */
static void reap_leftover(pid_t origin, const struct slab_entry *entry)
{
	struct remote there = remote_process(origin);
	struct reach_call call;

	if (remote_read(&there, entry->call, &call, sizeof(call)) == 0 &&
	    call.op == REACH_FORK && call.done && (int64_t)call.result > 0)
		reap(origin, entry, (pid_t)call.result);
}

int snapshot_take(struct snapshot *s, pid_t pid, const struct slab_entry *entry,
		  struct err *err)
{
	struct tracees t;
	uint64_t since;
	int rc;

	*s = (struct snapshot) { .origin = pid };
	if (!entry->code || !entry->stack || !entry->call)
		return err_set(err, -ENOTSUP,
			       "the recorder in process %d cannot take "
			       "snapshots; start it with this strandline",
			       (int)pid);
	s->entry = malloc(sizeof(*s->entry));
	if (!s->entry)
		return err_set(err, -ENOMEM, "out of memory");
	*s->entry = *entry;
	reap_leftover(pid, entry);
	since = tracees_now_ns();
	rc = tracees_stop(&t, pid, PATIENCE_NS, err);
	if (rc < 0)
		goto free_entry;
	rc = keep_registers(s, &t);
	if (rc < 0)
		err_set(err, rc, "out of memory");
	if (rc == 0)
		rc = fork_stopped(s, &t, err);
	tracees_release(&t);
	s->pause_ns = tracees_now_ns() - since;
	if (rc == 0)
		rc = adopt(s, err);
free_entry:
	if (rc < 0)
		snapshot_release(s);
	return rc;
}

void snapshot_release(struct snapshot *s)
{
	int status;

	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		while (waitpid(s->pid, &status, __WALL) == s->pid &&
		       WIFSTOPPED(status))
			;
		reap(s->origin, s->entry, s->inner_pid);
	}
	if (s->mem > 0)
		close(s->mem);
	vec_free(&s->words);
	vec_free(&s->stacks);
	free(s->entry);
	*s = (struct snapshot) { 0 };
}
