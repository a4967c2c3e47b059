/*
 * offcpu: what threads wait for, and for how long.
 *
 * A server switches ten thousand times a second, so a stack may not be taken
 * each time.  A thread that leaves its CPU with the same pc, sp and bp as one
 * of the last times stands in the same place, as a rule: its stack is looked at
 * again after a tenth of a second only.  Times are added up in the kernel.
 */
#include "bpf/stack.bpf.h"

#include <bpf/bpf_tracing.h>

#include "bpf/counters.bpf.h"
#include "bpf/offcpu.h"
#include "bpf/targets.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

#pragma clang attribute pop

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define LOOK_AGAIN_NS 100000000ULL
#define TASK_RUNNING  0
#define S_IFMT	      0170000
#define S_IFSOCK      0140000

static const struct offcpu_thread no_thread;

/* Somebody wants to know when; written before load. */
const volatile bool tells_waits;

COUNTERS(OFFCPU_NCOUNTERS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} waits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OFFCPU_THREADS_MOST);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct offcpu_thread);
} waiting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OFFCPU_PLACES_MOST);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct offcpu_place);
	__type(value, struct offcpu_sum);
} sums SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u8);
} sent SEC(".maps"); /* stacks that the reader knows */

/* A thread that reads or writes: from what? */
static __always_inline __u32 why_file(struct task_struct *task, __u64 number)
{
	struct file **files = BPF_CORE_READ(task, files, fdt, fd);
	struct file *file = NULL;
	unsigned short mode;

	if (number >= BPF_CORE_READ(task, files, fdt, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + number) || !file)
		return OFFCPU_FILE;
	mode = BPF_CORE_READ(file, f_inode, i_mode);
	return (mode & S_IFMT) == S_IFSOCK ? OFFCPU_SOCKET : OFFCPU_FILE;
}

/* By the system call (of x86-64) that it is in. */
static __always_inline __u32 why_blocked(struct task_struct *task,
					 const struct pt_regs *regs)
{
	if (BPF_CORE_READ_BITFIELD(task, in_iowait))
		return OFFCPU_DISK;
	switch ((__s64)regs->orig_rax) {
	case -1:
		return OFFCPU_FAULT;
	case 0: /* read, write, readv, writev, splice */
	case 1:
	case 19:
	case 20:
	case 275:
		return why_file(task, regs->rdi);
	case 17: /* pread64, pwrite64, fsync, fdatasync, openat, stat, ... */
	case 18:
	case 74:
	case 75:
	case 257:
	case 262:
		return OFFCPU_DISK;
	case 42: /* connect, accept, sendto, recvfrom, sendmsg, recvmsg */
	case 43:
	case 44:
	case 45:
	case 46:
	case 47:
	case 288:
	case 299:
	case 307:
		return OFFCPU_SOCKET;
	case 7: /* poll, select, epoll_wait and their like */
	case 23:
	case 232:
	case 270:
	case 271:
	case 281:
	case 441:
		return OFFCPU_EPOLL;
	case 202: /* futex, futex_waitv */
	case 449:
		return OFFCPU_FUTEX;
	case 34: /* pause, nanosleep, clock_nanosleep */
	case 35:
	case 230:
		return OFFCPU_SLEEP;
	case 61: /* wait4, waitid */
	case 247:
		return OFFCPU_CHILD;
	}
	return OFFCPU_OTHER;
}

/* Tell the reader of a stack that it does not know. */
static __always_inline void send_stack(struct stack_sample *out)
{
	__u64 id = out->head.id;
	__u8 yes = 1;

	if (bpf_map_lookup_elem(&sent, &id))
		return;
	/* The reader comes each second: no need to wake it from here. */
	if (bpf_ringbuf_output(&ring, out, stack_bytes(out), BPF_RB_NO_WAKEUP) <
	    0)
		count(OFFCPU_RING_FULL);
	else
		bpf_map_update_elem(&sent, &id, &yes, BPF_ANY);
}

static void look(struct offcpu_look *seen, struct task_struct *task,
		 const struct pt_regs *regs, __u64 now)
{
	struct stack_work *w = stack_work();
	struct stack_sample *out;

	if (!w)
		return;
	out = &w->event.sample;
	out->head.kernel_count = 0;
	user_stack(w, regs->rip, regs->rsp, regs->rbp, now);
	send_stack(out);
	if (out->head.end == STACK_END_CUT)
		count(OFFCPU_CUT);
	else if (out->head.end != STACK_END_ROOT)
		count(OFFCPU_BROKEN);
	seen->pc = regs->rip;
	seen->sp = regs->rsp;
	seen->bp = regs->rbp;
	seen->looked_ns = now;
	seen->stack = out->head.id;
	seen->blocked_why = why_blocked(task, regs);
	count(OFFCPU_STACKS);
	count_many(OFFCPU_NS, bpf_ktime_get_ns() - now);
}

/* Where the thread stands by what was looked at lately; or look. */
static struct offcpu_look *where(struct offcpu_thread *thread,
				 struct task_struct *task, __u64 now)
{
	const struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	__u64 pc = regs->rip, sp = regs->rsp, bp = regs->rbp;
	struct offcpu_look *seen;

#pragma unroll
	for (int i = 0; i < OFFCPU_LOOKS; i++) {
		seen = &thread->looks[i];
		if (seen->pc != pc || seen->sp != sp || seen->bp != bp)
			continue;
		if (now - seen->looked_ns > LOOK_AGAIN_NS)
			look(seen, task, regs, now);
		return seen;
	}
	seen = &thread->looks[thread->turn++ % OFFCPU_LOOKS];
	look(seen, task, regs, now);
	return seen;
}

static __always_inline void switch_out(struct task_struct *prev,
				       unsigned int state, __u64 now)
{
	struct offcpu_thread *thread;
	const struct offcpu_look *at;
	__u32 tid = prev->pid;

	thread = bpf_map_lookup_elem(&waiting, &tid);
	if (!thread) {
		if (bpf_map_update_elem(&waiting, &tid, &no_thread, BPF_ANY) <
		    0) {
			count(OFFCPU_THREADS_FULL);
			return;
		}
		thread = bpf_map_lookup_elem(&waiting, &tid);
		if (!thread)
			return;
	}
	at = where(thread, prev, now);
	thread->place = (struct offcpu_place) {
		.stack = at->stack,
		.pid = prev->tgid,
		.why = state == TASK_RUNNING ? OFFCPU_RUNNABLE
					     : at->blocked_why,
	};
	thread->since_ns = now;
}

static __always_inline void tell(struct offcpu_wait *untold)
{
	if (untold->ns >= OFFCPU_TOLD_LEAST_NS) {
		if (bpf_ringbuf_output(&waits, untold, sizeof(*untold),
				       BPF_RB_NO_WAKEUP) < 0)
			count(OFFCPU_WAITS_FULL);
		else
			count(OFFCPU_WAITS);
	}
	untold->ns = 0;
}

/* The wait that has just ended. */
static __always_inline void add_wait(struct offcpu_thread *thread, __u32 tid,
				     __u64 now)
{
	struct offcpu_wait *untold = &thread->untold;

	if (untold->ns && (untold->place.stack != thread->place.stack ||
			   untold->place.why != thread->place.why))
		tell(untold);
	if (!untold->ns) {
		untold->place = thread->place;
		untold->from_ns = thread->since_ns;
		untold->tid = tid;
	}
	untold->ns += now - thread->since_ns;
	untold->until_ns = now;
	if (untold->ns >= OFFCPU_TOLD_NS ||
	    now - untold->from_ns >= OFFCPU_TOLD_LATE_NS)
		tell(untold);
}

static __always_inline void switch_in(struct task_struct *next, __u64 now)
{
	struct offcpu_sum *sum, first = { .count = 1 };
	struct offcpu_thread *thread;
	struct offcpu_place place;
	__u32 tid = next->pid;

	thread = bpf_map_lookup_elem(&waiting, &tid);
	if (!thread || !thread->since_ns)
		return;
	count(OFFCPU_SWITCHES);
	place = thread->place;
	if (tells_waits)
		add_wait(thread, tid, now);
	first.ns = now - thread->since_ns;
	thread->since_ns = 0;
	sum = bpf_map_lookup_elem(&sums, &place);
	if (sum) {
		__sync_fetch_and_add(&sum->ns, first.ns);
		__sync_fetch_and_add(&sum->count, 1);
	} else if (bpf_map_update_elem(&sums, &place, &first, BPF_NOEXIST) <
		   0) {
		count(OFFCPU_PLACES_FULL);
	}
}

SEC("tp_btf/sched_switch")
int BPF_PROG(offcpu_switch, bool preempt, struct task_struct *prev,
	     struct task_struct *next, unsigned int prev_state)
{
	__u64 now = bpf_ktime_get_ns();

	if (target_find(prev->tgid))
		switch_out(prev, preempt ? TASK_RUNNING : prev_state, now);
	if (target_find(next->tgid))
		switch_in(next, now);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(offcpu_exit, struct task_struct *task)
{
	__u32 tid = task->pid;

	bpf_map_delete_elem(&waiting, &tid);
	return 0;
}
