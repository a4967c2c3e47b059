#include "profiler/attach/borrow.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profiler/attach/loader.h"
#include "profiler/attach/tracee.h"
#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/base/vec.h"
#include "profiler/proc/procfs.h"
#include "profiler/proc/remote.h"

#define STOP_NS	      200000000ULL /* for a thread to stop that was asked to */
#define PAUSE_NS      300000L	   /* between two rounds over the threads */
#define LOOK_NS	      20000L /* between two looks whether it has stopped */
#define EAGER_LOOKS   20     /* that do not rest */
#define CS_64	      0x33
#define FLAG_TRAP     0x100u
#define FLAG_DOWN     0x400u
#define FIRST_ADDRESS 4096
#define RSEQ_CS	      8 /* offset of the critical section in struct rseq */

#define STOP_EVENT(st) ((st) >> 16)

/* cs, gs, fs and ss in the frame of a signal handler. */
#define SIGNAL_FRAME_MARK 0x002b000000000033ULL
#define STACK_LOOK	  (64u << 10)

/* Rounds over all threads after which less is good enough. */
#define LATE_STOPS    50 /* of STOP_NS */
#define CHOOSY_ROUNDS 4
#define RUNNING_ROUND 8

/* Looks whether it is back, before it is stopped for one. */
#define LEFT_LOOKS 100
#define LEFT_NS	   1000000L

/* Results by which the kernel remembers to restart a system call. */
enum {
	ERESTARTSYS = 512,
	ERESTARTNOINTR = 513,
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
	NR_RESTART_SYSCALL = 219,
	NR_EPOLL_PWAIT2 = 441,
};

struct waiting {
	long nr;
	const char *name;
	bool many; /* waits for many things at once: no handler does that */
};

/*
 * In order of preference.  A thread that waits for another of its process is,
 * as a rule, one that no request waits for.
 */
static const struct waiting waits[] = {
	{ SYS_futex, "futex", false },
	{ SYS_epoll_wait, "epoll_wait", true },
	{ SYS_epoll_pwait, "epoll_pwait", true },
	{ NR_EPOLL_PWAIT2, "epoll_pwait2", true },
	{ SYS_accept, "accept", true },
	{ SYS_accept4, "accept4", true },
	{ SYS_select, "select", true },
	{ SYS_pselect6, "pselect6", true },
	{ SYS_poll, "poll", true },
	{ SYS_ppoll, "ppoll", true },
	{ SYS_recvfrom, "recvfrom", false },
	{ SYS_recvmsg, "recvmsg", false },
	{ SYS_read, "read", false },
	{ SYS_wait4, "wait4", false },
	{ SYS_waitid, "waitid", false },
	{ SYS_pause, "pause", false },
	{ SYS_rt_sigsuspend, "rt_sigsuspend", false },
	{ SYS_rt_sigtimedwait, "rt_sigtimedwait", false },
	{ SYS_nanosleep, "nanosleep", false },
	{ SYS_clock_nanosleep, "clock_nanosleep", false },
	{ NR_RESTART_SYSCALL, "restart_syscall", false },
};

static const struct waiting *waiting_of(long nr)
{
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (waits[i].nr == nr)
			return &waits[i];
	return NULL;
}

const char *borrow_call_name(long nr)
{
	const struct waiting *w = waiting_of(nr);

	return w ? w->name : NULL;
}

/*
 * Condition variables, semaphores and joins wait with a bit set; locks, the
 * allocator's and the loader's among them, without one.  A wait with a limit
 * that was interrupted, by us the last time maybe, goes on as a call of its
 * own, with the arguments it had: poll, nanosleep, and a futex, which is what
 * has an address first and that operation second.
 */
static bool is_lock(long nr, uint64_t first, uint64_t second)
{
	uint64_t operation = second & FUTEX_CMD_MASK;

	if (nr == NR_RESTART_SYSCALL)
		return first >= FIRST_ADDRESS && operation == FUTEX_WAIT;
	return nr == SYS_futex && operation != FUTEX_WAIT_BITSET;
}

struct candidate {
	pid_t tid;
	long nr; /* -1: it runs */
};

struct listing {
	int dir;
	VEC(struct candidate) all;
};

/* "232 0x4 0x7ffd... 0x... sp pc", "running", or "-1 sp pc". */
static void look_at(void *ctx, uint64_t tid)
{
	struct listing *l = ctx;
	struct buf text = BUF_INIT;
	struct candidate *new, c = { (pid_t)tid, -1 };
	unsigned long long first, second;
	char name[64];
	long nr;

	snprintf(name, sizeof(name), "task/%d/syscall", (int)tid);
	if (procfs_read(l->dir, name, &text) == 0 &&
	    sscanf(text.bytes, "%ld %llx %llx", &nr, &first, &second) == 3 &&
	    waiting_of(nr) && !is_lock(nr, first, second))
		c.nr = nr;
	buf_free(&text);
	new = vec_push(&l->all);
	if (new)
		*new = c;
}

static int by_rank(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	const struct waiting *v = waiting_of(x->nr), *w = waiting_of(y->nr);

	/* Those that wait come first, in the order of the table. */
	if (!v || !w)
		return !v - !w;
	return (v > w) - (v < w);
}

static bool list_threads(struct listing *l, pid_t pid)
{
	l->all.count = 0;
	l->dir = procfs_open("/proc", pid);
	if (l->dir < 0)
		return false;
	procfs_numbers(l->dir, "task", look_at, l);
	close(l->dir);
	if (l->all.count)
		qsort(l->all.at, l->all.count, sizeof(l->all.at[0]), by_rank);
	return l->all.count > 0;
}

static bool was_interrupted(const struct user_regs_struct *regs)
{
	switch (-(int64_t)regs->rax) {
	case EINTR:
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		return true;
	default:
		return false;
	}
}

/* Is there the frame of a signal handler among the callers? */
static bool in_handler(const struct borrow *b)
{
	static const size_t steps[] = { STACK_LOOK, 16384, 4096, 1024 };
	struct remote memory = remote_process(b->pid);
	uint64_t *words = malloc(STACK_LOOK);
	bool found = !words, read = false;

	for (size_t i = 0; words && !read && i < 4; i++) {
		read = remote_read(&memory, b->regs.rsp & ~7ULL, words,
				   steps[i]) == 0;
		for (size_t k = 0; read && k < steps[i] / 8; k++)
			found |= words[k] == SIGNAL_FRAME_MARK;
	}
	free(words);
	return found;
}

/* Amid a restartable sequence: the kernel must see that interrupted. */
static bool in_sequence(const struct borrow *b)
{
	struct __ptrace_rseq_configuration rseq = { 0 };
	struct remote memory = remote_process(b->pid);
	uint64_t section = 0;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, b->tid, sizeof(rseq), &rseq) <
		    0 ||
	    !rseq.rseq_abi_pointer)
		return false;
	return remote_read(&memory, rseq.rseq_abi_pointer + RSEQ_CS, &section,
			   sizeof(section)) < 0 ||
	       section != 0;
}

/* After the stop, when it can no longer move on. */
static bool is_safe(struct borrow *b, const struct loader *l, unsigned round)
{
	const struct user_regs_struct *r = &b->regs;
	long nr = (long)r->orig_rax;
	const struct waiting *w = waiting_of(nr);

	if (r->cs != CS_64)
		return false;
	b->call = nr;
	if (nr >= 0)
		return w && !is_lock(nr, r->rdi, r->rsi) &&
		       was_interrupted(r) &&
		       ((w->many && round > CHOOSY_ROUNDS) || !in_handler(b));
	return round > RUNNING_ROUND && !loader_is_unsafe(l, r->rip) &&
	       !in_sequence(b) && !in_handler(b);
}

static void still_runs(struct borrow *b)
{
	b->since_ns = tracees_now_ns();
	b->since_tsc = __builtin_ia32_rdtsc();
}

/*
 * It stands still from some moment after the last look that finds it going:
 * one that waits for a CPU would do so without us, too.
 */
static int wait_looking(struct borrow *b, int *status)
{
	const struct timespec step = { .tv_nsec = LOOK_NS };
	uint64_t until = tracees_now_ns() + STOP_NS;

	for (unsigned looks = 0;; looks++) {
		struct borrow last = *b;
		int rc;

		still_runs(b);
		rc = tracees_wait(0, b->tid, 0, status);
		if (rc != -ETIMEDOUT) {
			*b = last;
			return rc;
		}
		if (b->since_ns > until)
			return rc;
		if (looks >= EAGER_LOOKS)
			nanosleep(&step, NULL);
	}
}

/* Signals that arrive first are let through. */
static int wait_for_stop(struct borrow *b, bool *job_control)
{
	int status, rc;

	for (;;) {
		rc = wait_looking(b, &status);
		if (rc < 0)
			return rc;
		if (STOP_EVENT(status) == PTRACE_EVENT_STOP) {
			*job_control = WSTOPSIG(status) != SIGTRAP;
			return 0;
		}
		ptrace(PTRACE_CONT, b->tid, 0, (long)WSTOPSIG(status));
	}
}

static int read_state(struct borrow *b)
{
	if (ptrace(PTRACE_GETREGS, b->tid, 0, &b->regs) < 0)
		return -errno;
	tracee_hide_stop(b->tid, &b->regs); /* at once: we may be killed */
	if (ptrace(PTRACE_GETSIGMASK, b->tid, sizeof(b->mask), &b->mask) < 0)
		return -errno;
	return 0;
}

/* One that was asked to stop would stand still, with nobody to let it go. */
static int let_go_late(struct borrow *b)
{
	bool job_control;

	for (int i = 0; i < LATE_STOPS; i++) {
		int rc = wait_for_stop(b, &job_control);

		if (rc == 0)
			ptrace(PTRACE_DETACH, b->tid, 0, 0);
		if (rc != -ETIMEDOUT)
			break;
	}
	return 0;
}

/* 1: it is ours.  0: not this one, not now. */
static int try_thread(struct borrow *b, const struct loader *l, pid_t tid,
		      unsigned round, struct err *err)
{
	bool job_control = false;
	int rc;

	b->tid = tid;
	still_runs(b);
	b->tries++;
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0) {
		/* Another has it for the moment of a look; or it is for good.
		 */
		b->refused += errno != ESRCH;
		return 0;
	}
	ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	rc = wait_for_stop(b, &job_control);
	if (rc == -ESRCH)
		return 0;
	if (rc < 0) /* deep in the kernel: it stops as soon as it can */
		return let_go_late(b);
	if (!job_control && read_state(b) == 0 && is_safe(b, l, round))
		return 1;
	ptrace(PTRACE_DETACH, tid, 0, 0);
	if (job_control)
		return err_set(err, -EBUSY,
			       "process %d is stopped (by a signal); continue "
			       "it first",
			       (int)b->pid);
	return 0;
}

static int give_up(const struct borrow *b, struct err *err)
{
	if (b->refused == b->tries)
		return err_set(err, -EPERM,
			       "no thread of process %d may be stopped: it is "
			       "traced by another program, or the kernel does "
			       "not let us",
			       (int)b->pid);
	return err_set(err, -EBUSY,
		       "no thread of process %d was found where it could be "
		       "borrowed (%u tries); try again",
		       (int)b->pid, b->tries);
}

int borrow_take(struct borrow *b, const struct loader *l, uint64_t patience_ns,
		struct err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	uint64_t until = tracees_now_ns() + patience_ns;
	struct listing list = { 0 };
	int rc = 0;

	*b = (struct borrow) { .pid = l->pid };
	for (unsigned round = 0; rc == 0; round++) {
		if (!list_threads(&list, l->pid)) {
			rc = err_set(err, -ESRCH, "process %d has ended",
				     (int)l->pid);
			break;
		}
		for (size_t i = 0; rc == 0 && i < list.all.count; i++) {
			const struct candidate *c = &list.all.at[i];

			if (c->nr < 0 && round <= RUNNING_ROUND)
				break; /* those that run come last */
			if (tracees_now_ns() > until)
				break;
			rc = try_thread(b, l, c->tid, round, err);
		}
		if (rc == 0 && tracees_now_ns() > until)
			rc = give_up(b, err);
		if (rc == 0)
			nanosleep(&pause, NULL);
	}
	vec_free(&list.all);
	return rc < 0 ? rc : 0;
}

pid_t borrow_candidate(pid_t pid, long *call)
{
	struct listing list = { 0 };
	pid_t tid = 0;

	if (list_threads(&list, pid) && list.all.at[0].nr >= 0) {
		tid = list.all.at[0].tid;
		*call = list.all.at[0].nr;
	}
	vec_free(&list.all);
	return tid;
}

struct user_regs_struct borrow_way_back(const struct borrow *b)
{
	struct user_regs_struct regs = b->regs;

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

void borrow_release(const struct borrow *b)
{
	ptrace(PTRACE_DETACH, b->tid, 0, 0);
}

/*
 * Its registers first: should we die in between, it goes there with its mask
 * as it is, and puts that back itself otherwise.
 */
int borrow_send(struct borrow *b, uint64_t code)
{
	struct user_regs_struct regs = b->regs;
	uint64_t all = UINT64_MAX;

	regs.rip = code;
	regs.orig_rax = (uint64_t)-1; /* no call to be restarted */
	regs.eflags &= ~(uint64_t)(FLAG_TRAP | FLAG_DOWN);
	if (ptrace(PTRACE_SETREGS, b->tid, 0, &regs) < 0 ||
	    ptrace(PTRACE_SETSIGMASK, b->tid, sizeof(all), &all) < 0 ||
	    ptrace(PTRACE_DETACH, b->tid, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Where it waits, if it does: the last number of its line. */
static bool waits_at(const struct borrow *b, uint64_t *pc)
{
	int dir = procfs_open("/proc", b->pid);
	struct buf text = BUF_INIT;
	const char *last = NULL;
	char name[64];

	snprintf(name, sizeof(name), "task/%d/syscall", (int)b->tid);
	if (dir >= 0 && procfs_read(dir, name, &text) == 0)
		last = strrchr(text.bytes, ' ');
	if (last)
		*pc = strtoull(last, NULL, 16);
	buf_free(&text);
	if (dir >= 0)
		close(dir);
	return last;
}

/* It runs: stop it once more, for as long as a look takes. */
static bool stops_at(const struct borrow *of, uint64_t *pc)
{
	struct user_regs_struct regs = { 0 };
	struct borrow look = *of, *b = &look;
	bool job_control;

	if (ptrace(PTRACE_SEIZE, b->tid, 0, 0) < 0)
		return errno == ESRCH;
	ptrace(PTRACE_INTERRUPT, b->tid, 0, 0);
	if (wait_for_stop(b, &job_control) < 0)
		return let_go_late(b);
	ptrace(PTRACE_GETREGS, b->tid, 0, &regs);
	tracee_hide_stop(b->tid, &regs);
	ptrace(PTRACE_DETACH, b->tid, 0, 0);
	*pc = regs.rip;
	return true;
}

bool borrow_waits_outside(const struct borrow *b, uint64_t code, size_t size)
{
	uint64_t pc = 0;

	return waits_at(b, &pc) && pc - code >= size;
}

bool borrow_has_left(const struct borrow *b, uint64_t code, size_t size)
{
	const struct timespec pause = { .tv_nsec = LEFT_NS };
	uint64_t pc = 0;

	for (int i = 0; i < LEFT_LOOKS; i++) {
		if (waits_at(b, &pc))
			return pc - code >= size;
		nanosleep(&pause, NULL);
	}
	return stops_at(b, &pc) && pc - code >= size;
}
