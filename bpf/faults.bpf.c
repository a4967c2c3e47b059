/*
 * faults: who makes the resident size grow.
 *
 * Between two steps of the kernel's count (faults.h) an event costs a look at
 * three numbers; at a step the stack is taken.  What gives pages back is seen
 * by the same tracepoint: the thread is then in a system call that says which
 * addresses.  So no system call of anybody is made slower.
 */
#include "bpf/faults.h"

#define STACK_EVENT struct faults_taken
#include "bpf/stack.bpf.h"

#include <bpf/bpf_tracing.h>

#include "bpf/counters.bpf.h"
#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* x86-64 system calls, and how far the heap may reach. */
#define CALL_MMAP     9
#define CALL_MUNMAP   11
#define CALL_BRK      12
#define CALL_MREMAP   25
#define CALL_MADVISE  28
#define MAP_FIXED     0x10
#define MADV_DONTNEED 4
#define MADV_FREE     8
#define HEAP_MOST     (1ULL << 40)

COUNTERS(FAULTS_NCOUNTERS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 * 1024 * 1024);
} ring SEC(".maps");

struct thread {	       /* freed with its thread */
	__u64 address; /* of the fault that it is in */
	__u64 given;   /* the range that it told of last, mixed */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct counted { /* pages of a process that were charged to somebody */
	__u64 mm;
	__s64 pages;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TARGETS_MOST);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct counted);
} counted SEC(".maps");

static __always_inline struct thread *thread_of(struct task_struct *task)
{
	struct thread *thread =
		bpf_task_storage_get(&threads, task, NULL,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!thread)
		count(FAULTS_NO_STORAGE);
	return thread;
}

static __always_inline int fault(unsigned long address)
{
	struct thread *thread;

	if (!target_find(current_tgid()))
		return 0;
	thread = thread_of(bpf_get_current_task_btf());
	if (thread) {
		thread->address = address;
		thread->given = 0;
	}
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(faults_user, unsigned long address)
{
	return fault(address);
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(faults_kernel, unsigned long address)
{
	return fault(address);
}

/* The order of the counters is as old as they are; swap entries are no
 * pages. */
static __always_inline __s64 resident(struct mm_struct *mm)
{
	return mm->rss_stat[0].count + mm->rss_stat[1].count +
	       mm->rss_stat[3].count;
}

/*
 * Pages since the last step, which somebody has to account for; 0: none, or
 * another thread was faster.
 */
static __always_inline __s64 step_of(struct mm_struct *mm, __u32 tgid)
{
	struct counted *known = bpf_map_lookup_elem(&counted, &tgid);
	__s64 now = resident(mm), before;

	if (!known || known->mm != (__u64)mm) {
		struct counted first = { .mm = (__u64)mm, .pages = now };

		bpf_map_update_elem(&counted, &tgid, &first, BPF_ANY);
		return 0;
	}
	before = known->pages;
	if (now == before ||
	    __sync_val_compare_and_swap(&known->pages, before, now) != before)
		return 0;
	return now - before;
}

/* The user addresses that this thread gives back; false: it does not. */
static __always_inline bool given_back(const struct pt_regs *regs,
				       struct faults_given *to)
{
	__u64 start = regs->rdi, size = regs->rsi;

	switch (regs->orig_rax) {
	case CALL_MUNMAP:
		break;
	case CALL_MMAP:
		if (!(regs->r10 & MAP_FIXED))
			return false;
		break;
	case CALL_MADVISE:
		if (regs->rdx != MADV_DONTNEED && regs->rdx != MADV_FREE)
			return false;
		break;
	case CALL_BRK:
		size = HEAP_MOST;
		break;
	case CALL_MREMAP:
		if (regs->rdx >= size)
			return false;
		start += regs->rdx;
		size -= regs->rdx;
		break;
	default:
		return false;
	}
	to->start = start;
	to->end = start + size;
	return true;
}

static __always_inline void send_given(struct faults_given *given)
{
	if (bpf_ringbuf_output(&ring, given, sizeof(*given), 0) < 0)
		count(FAULTS_GIVEN_LOST);
}

/* Once a call: it gives its pages back in many portions. */
static __always_inline bool is_told(struct thread *thread,
				    const struct faults_given *given)
{
	__u64 mixed = stack_mix(stack_mix(given->start, given->end), 1) | 1;

	if (thread->given == mixed)
		return true;
	thread->given = mixed;
	return false;
}

static void send_taken(const struct thread *thread, const struct pt_regs *regs,
		       __s64 pages)
{
	struct stack_work *w = stack_work();
	struct faults_taken *out;
	__u64 since;
	__u32 size;

	if (!w)
		return;
	out = &w->event;
	since = bpf_ktime_get_ns();
	out->what = FAULTS_TAKEN;
	out->pages = (__u32)pages;
	out->address = thread->address;
	out->sample.head.kernel_count = 0;
	user_stack(w, regs->rip, regs->rsp, regs->rbp, since);
	count_many(FAULTS_NS, bpf_ktime_get_ns() - since);
	count(FAULTS_STACKS);
	if (out->sample.head.end == STACK_END_CUT)
		count(FAULTS_CUT);
	else if (out->sample.head.end != STACK_END_ROOT)
		count(FAULTS_BROKEN);
	size = sizeof(*out) - sizeof(out->sample) + stack_bytes(&out->sample);
	if (bpf_ringbuf_output(&ring, out, size, 0) == 0) {
		count(FAULTS_SENT);
		return;
	}
	count(FAULTS_RING_FULL);
	count_many(FAULTS_PAGES_LOST, (__u64)pages);
}

SEC("tp_btf/rss_stat")
int BPF_PROG(faults_rss, struct mm_struct *mm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct faults_given given = { .what = FAULTS_GIVEN };
	__u32 tgid = current_tgid();
	struct pt_regs *regs;
	struct thread *thread;
	__s64 pages;

	if (task->mm != mm || !target_find(tgid))
		return 0;
	thread = thread_of(task);
	if (!thread)
		return 0;
	regs = user_regs();
	pages = step_of(mm, tgid);
	if (given_back(regs, &given)) {
		given.pid = (__s32)tgid;
		if (!is_told(thread, &given))
			send_given(&given);
	} else if (pages > 0) {
		send_taken(thread, regs, pages);
	}
	return 0;
}

/* mremap() looks for another place; its pages come along. */
SEC("tp_btf/vm_unmapped_area")
int BPF_PROG(faults_area, unsigned long address)
{
	struct faults_given moved = { .what = FAULTS_MOVED, .to = address };
	struct pt_regs *regs;
	__u32 tgid = current_tgid();

	if (!target_find(tgid))
		return 0;
	regs = user_regs();
	if (regs->orig_rax != CALL_MREMAP)
		return 0;
	moved.pid = (__s32)tgid;
	moved.start = regs->rdi;
	moved.end = regs->rdi + regs->rsi;
	send_given(&moved);
	return 0;
}
