#include "profiler/attach/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"
#include "profiler/proc/maps.h"
#include "profiler/proc/procfs.h"

#define RED_ZONE      128 /* below the stack pointer, a leaf's own */
#define STACK_MOST    (8UL << 20)
#define POOL_SIZE     (256UL << 20) /* of addresses, not of memory */
#define TOUCHED_EACH  (32UL << 10)  /* most threads use less of theirs */
#define TOUCHED_MOST  (16UL << 20)
#define LATE_NS	      2000000000ULL
#define HURRIED	      -20
#define RESTART_FIRST 512 /* results by which the kernel remembers to */
#define RESTART_LAST  516 /* restart a call: the thread waits in it */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* "Tgid:\t4711" of @dir's status; 0 where there is none. */
static long status_number(const char *status, const char *field)
{
	const char *at = strstr(status, field);

	return at ? strtol(at + strlen(field), NULL, 10) : 0;
}

/* @pid is a process that has memory; *@process its number. */
static int look_at(pid_t pid, pid_t *process, struct err *err)
{
	struct buf status = BUF_INIT;
	int dir = procfs_open("/proc", pid), rc;

	if (dir < 0)
		return err_set(err, -ESRCH, "there is no process %d", (int)pid);
	rc = procfs_read(dir, "status", &status);
	close(dir);
	if (rc < 0) {
		err_set(err, rc, "process %d has ended", (int)pid);
	} else if (strstr(status.bytes, "\nState:\tZ") &&
		   status_number(status.bytes, "\nThreads:") <= 1) {
		rc = err_set(err, -ESRCH,
			     "process %d has ended; its parent, process %ld, "
			     "has not asked for its status yet",
			     (int)pid, status_number(status.bytes, "\nPPid:"));
	} else if (strstr(status.bytes, "\nKthread:\t1") ||
		   (!strstr(status.bytes, "\nVmSize:") &&
		    !strstr(status.bytes, "\nState:\tZ"))) {
		rc = err_set(err, -ENOTSUP,
			     "process %d is a thread of the kernel; it has no "
			     "stack that could be shown",
			     (int)pid);
	}
	*process = (pid_t)status_number(status.bytes ? status.bytes : "",
					"\nTgid:");
	buf_free(&status);
	return rc;
}

struct listing {
	struct threads *threads;
	int dir;
	bool failed;
};

static void read_thread(void *ctx, uint64_t tid)
{
	struct listing *l = ctx;
	struct task task;
	struct thread_copy *new;

	if (task_read(&task, l->dir, (pid_t)tid) < 0)
		return;
	new = vec_push(&l->threads->list);
	if (new)
		new->task = task;
	else
		l->failed = true;
}

/* What each does, before any is stopped: that would show as what it does. */
static int read_tasks(struct threads *t, struct err *err)
{
	struct listing l = { .threads = t };
	ssize_t count;

	l.dir = procfs_open("/proc", t->pid);
	if (l.dir < 0)
		return err_set(err, -ESRCH, "process %d has ended",
			       (int)t->pid);
	count = procfs_numbers(l.dir, "task", read_thread, &l);
	procfs_read(l.dir, "maps", &t->maps); /* so that it has the room */
	close(l.dir);
	if (l.failed)
		return err_set(err, -ENOMEM, "out of memory");
	return count < 0 ? err_set(err, (int)count, "process %d has ended",
				   (int)t->pid)
			 : 0;
}

/* Memory for the copies, touched beforehand: a page fault each takes longer
 * than to copy it. */
static int make_pool(struct threads *t, struct err *err)
{
	size_t touched = t->list.count * TOUCHED_EACH;

	t->pool = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->pool == MAP_FAILED) {
		t->pool = NULL;
		return err_errno(err, "no memory for the stacks");
	}
	t->pool_size = POOL_SIZE;
	madvise(t->pool, touched < TOUCHED_MOST ? touched : TOUCHED_MOST,
		MADV_POPULATE_WRITE); /* an older kernel: then it is slower */
	return 0;
}

struct range {
	uint64_t start, end;
};

struct copying {
	struct threads *threads;
	VEC(struct range) mappings; /* ascending */
};

static int list_mappings(struct copying *c)
{
	struct maps_cursor at =
		maps_begin(c->threads->maps.bytes, c->threads->maps.len);
	struct maps_entry e;

	while (maps_next(&at, &e)) {
		struct range *new = vec_push(&c->mappings);

		if (!new)
			return -ENOMEM;
		*new = (struct range) { e.start, e.end };
	}
	return 0;
}

/* The end of the mapping that holds @sp, at most STACK_MOST away; 0: none. */
static uint64_t stack_end(const struct copying *c, uint64_t sp)
{
	size_t low = 0, high = c->mappings.count;

	while (low < high) { /* the first that ends past it */
		size_t middle = low + (high - low) / 2;

		if (c->mappings.at[middle].end <= sp)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->mappings.count || sp < c->mappings.at[low].start)
		return 0;
	return c->mappings.at[low].end - sp > STACK_MOST
		       ? sp + STACK_MOST
		       : c->mappings.at[low].end;
}

static void copy_stack(const struct copying *c, struct thread_copy *thread)
{
	uint64_t sp = thread->regs.rsp, end = stack_end(c, sp);
	struct threads *t = c->threads;
	struct iovec here, there;
	ssize_t n;

	if (!end)
		return;
	thread->stack = (sp - RED_ZONE) & ~7ULL;
	here.iov_base = t->pool + t->pool_used;
	here.iov_len = end - thread->stack;
	if (here.iov_len > t->pool_size - t->pool_used)
		here.iov_len = t->pool_size - t->pool_used;
	there = (struct iovec) { (void *)(uintptr_t)thread->stack,
				 here.iov_len };
	n = process_vm_readv(t->pid, &here, 1, &there, 1, 0);
	if (n <= 0)
		return;
	thread->bytes = here.iov_base;
	thread->size = (size_t)n;
	t->pool_used += ((size_t)n + 15) & ~15UL;
}

/* In a system call that goes on when the thread does? */
static bool is_waiting(const struct user_regs_struct *regs)
{
	int64_t result = -(int64_t)regs->rax;

	return (int64_t)regs->orig_rax >= 0 && result >= RESTART_FIRST &&
	       result <= RESTART_LAST;
}

static void take_registers(struct thread_copy *thread,
			   const struct user_regs_struct *regs)
{
	struct task_call *call = &thread->task.call;

	thread->stopped = true;
	thread->bytes = NULL; /* of a stack that /proc told of */
	thread->regs = *regs;
	thread->waits = is_waiting(regs);
	*call = (struct task_call) { .number = TASK_NO_CALL };
	if (!thread->waits)
		return;
	*call = (struct task_call) {
		.number = (long)regs->orig_rax,
		.args = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8,
			  regs->r9 },
	};
}

/* Of a thread that cannot be stopped: as far as /proc tells. */
static void take_task(struct thread_copy *thread)
{
	thread->waits = thread->task.call.number != TASK_NO_CALL;
	thread->regs.rsp = thread->task.sp;
	thread->regs.rip = thread->task.pc;
}

static struct thread_copy *find(struct threads *t, pid_t tid)
{
	struct thread_copy *thread;

	vec_foreach (&t->list, thread)
		if (thread->task.tid == tid)
			return thread;
	return NULL;
}

static int take_all(struct threads *t, const struct tracees *stopped)
{
	const struct tracee *from;
	struct thread_copy *thread;

	vec_foreach (&stopped->threads, from) {
		if (!from->stopped)
			continue;
		thread = find(t, from->tid);
		if (!thread) { /* it has just begun */
			thread = vec_push(&t->list);
			if (!thread)
				return -ENOMEM;
			task_read(&thread->task, stopped->dir, from->tid);
			thread->task.tid = from->tid;
		}
		take_registers(thread, &from->regs);
	}
	return 0;
}

static int refuse_look(const struct threads *t, int rc, struct err *err)
{
	return rc < 0 ? err_set(err, rc, "cannot look into process %d: %s",
				(int)t->pid, strerror(-rc))
		      : 0;
}

/* All stand still now. */
static int copy_all(struct copying *c, const struct tracees *stopped,
		    const struct threads_options *opt, struct err *err)
{
	struct threads *t = c->threads;
	struct thread_copy *thread;
	int rc = procfs_read(stopped->dir, "maps", &t->maps);

	if (rc == 0)
		rc = list_mappings(c);
	if (rc == 0)
		rc = take_all(t, stopped);
	vec_foreach (&t->list, thread) {
		if (!thread->stopped)
			take_task(thread);
		copy_stack(c, thread);
	}
	if (rc == 0 && opt->while_stopped)
		opt->while_stopped(opt->ctx, t);
	return refuse_look(t, rc, err);
}

/*
 * Those that did not get a CPU to stop on, as on a busy machine one that
 * computes may not for long: the others go on, these are waited for.
 */
static int copy_late(struct copying *c, struct tracees *stopped,
		     struct err *err)
{
	struct threads *t = c->threads;
	struct thread_copy *thread;
	int rc = tracees_await(stopped, LATE_NS, err);

	if (rc < 0)
		return rc;
	rc = take_all(t, stopped);
	vec_foreach (&t->list, thread)
		if (thread->stopped && !thread->bytes)
			copy_stack(c, thread);
	return refuse_look(t, rc, err);
}

static bool all_have_gone_on(const struct tracees *stopped)
{
	const struct tracee *thread;

	vec_foreach (&stopped->threads, thread)
		if (thread->tid)
			return false;
	return true;
}

static int by_tid(const void *a, const void *b)
{
	const struct thread_copy *x = a, *y = b;

	return (x->task.tid > y->task.tid) - (x->task.tid < y->task.tid);
}

static bool has_ended(const struct thread_copy *thread)
{
	return thread->task.state == 'Z' || thread->task.state == 'X';
}

/* In order, without those that ended before they could be stopped. */
static void tidy(struct threads *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->list.count; i++) {
		const struct thread_copy *thread = &t->list.at[i];

		if (thread->stopped || !has_ended(thread))
			t->list.at[kept++] = *thread;
		if (thread->task.state == 'T')
			t->job_control = true;
	}
	t->list.count = kept;
	qsort(t->list.at, kept, sizeof(*t->list.at), by_tid);
	for (size_t i = 1; i < kept; i++) { /* the first thread first */
		struct thread_copy first = t->list.at[i];

		if (first.task.tid != t->pid)
			continue;
		memmove(&t->list.at[1], &t->list.at[0], i * sizeof(first));
		t->list.at[0] = first;
	}
}

/*
 * Being put aside for others who compete for the CPUs would make all threads
 * that stand wait.  Without the right to hurry (CAP_SYS_NICE) that may happen.
 */
static int hurry(void)
{
	int usual;

	errno = 0;
	usual = getpriority(PRIO_PROCESS, (id_t)gettid());
	if (errno)
		return 0;
	setpriority(PRIO_PROCESS, (id_t)gettid(), HURRIED);
	prctl(PR_SET_TIMERSLACK, 1); /* short rests are to be short */
	return usual;
}

static int stop_and_copy(struct threads *t, const struct threads_options *opt,
			 struct err *err)
{
	struct copying c = { .threads = t };
	struct tracees stopped = { 0 };
	uint64_t asked_ns;
	int usual = hurry(), rc;

	rc = tracees_stop_any(&stopped, t->pid, opt->patience_ns, err);
	if (rc == 0) {
		asked_ns = stopped.asked_ns;
		rc = copy_all(&c, &stopped, opt, err);
		for (size_t i = 0; i < stopped.threads.count; i++)
			if (stopped.threads.at[i].stopped)
				tracees_detach(&stopped, i);
		t->stopped_ns = tracees_now_ns() - asked_ns;
		if (rc == 0 && !all_have_gone_on(&stopped))
			rc = copy_late(&c, &stopped, err);
		tracees_release(&stopped);
	}
	vec_free(&c.mappings);
	prctl(PR_SET_TIMERSLACK, 0); /* the usual */
	setpriority(PRIO_PROCESS, (id_t)gettid(), usual);
	return rc;
}

int threads_copy(struct threads *t, pid_t pid,
		 const struct threads_options *opt, struct err *err)
{
	int rc;

	*t = (struct threads) { 0 };
	rc = look_at(pid, &t->pid, err);
	if (rc == 0)
		rc = read_tasks(t, err);
	if (rc == 0)
		rc = make_pool(t, err);
	if (rc == 0)
		rc = stop_and_copy(t, opt, err);
	if (rc < 0) {
		threads_free(t);
		return rc;
	}
	tidy(t);
	return 0;
}

void threads_free(struct threads *t)
{
	vec_free(&t->list);
	buf_free(&t->maps);
	if (t->pool)
		munmap(t->pool, t->pool_size);
	*t = (struct threads) { 0 };
}
