/*
 * handlers: how long calls of certain functions take.
 *
 * A probe where each begins and one at each of its exits.  The return address
 * is left alone: no exception gets past one that the kernel has replaced, and
 * no unwinder either.
 */
#include "bpf/kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/counters.bpf.h"
#include "bpf/handlers.h"
#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

COUNTERS(HANDLERS_NCOUNTERS);

struct open {
	__u64 began_ns;
	__u64 handler;
};

struct thread {
	__u64 depth;
	struct open open[HANDLERS_DEPTH];
};

struct { /* freed with its thread */
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} ring SEC(".maps");

static __always_inline void tell(const struct open *open, __u64 now)
{
	struct handler_call *call =
		bpf_ringbuf_reserve(&ring, sizeof(*call), 0);
	__u64 id = bpf_get_current_pid_tgid();

	if (!call) {
		count(HANDLERS_RING_FULL);
		return;
	}
	call->began_ns = open->began_ns;
	call->ended_ns = now;
	call->handler = open->handler;
	call->pid = id >> 32;
	call->tid = (__u32)id;
	call->pad = 0;
	bpf_ringbuf_submit(call, 0);
	count(HANDLERS_SENT);
}

SEC("uprobe")
int handler_begins(struct pt_regs *regs)
{
	struct thread *t;
	__u64 depth;

	if (!target_find(current_tgid()))
		return 0;
	t = bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL,
				 BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		count(HANDLERS_NO_STORAGE);
		return 0;
	}
	depth = t->depth;
	if (depth >= HANDLERS_DEPTH) {
		count(HANDLERS_TOO_DEEP);
		return 0;
	}
	t->open[depth].handler = bpf_get_attach_cookie(regs);
	t->open[depth].began_ns = bpf_ktime_get_ns();
	t->depth = depth + 1;
	count(HANDLERS_BEGUN);
	return 0;
}

/* Those that are still open above it were left by another way. */
SEC("uprobe")
int handler_ends(struct pt_regs *regs)
{
	__u64 handler = bpf_get_attach_cookie(regs), now = bpf_ktime_get_ns();
	struct thread *t =
		bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL,
				     0);
	__u64 depth;

	if (!t)
		return 0;
	depth = t->depth;
	for (int i = 0; i < HANDLERS_DEPTH; i++) {
		__u64 at = depth - 1 - i;

		barrier_var(at); /* or the verifier loses the bound */
		if (at >= HANDLERS_DEPTH)
			return 0;
		if (t->open[at].handler != handler) {
			count(HANDLERS_LEFT);
			continue;
		}
		tell(&t->open[at], now);
		t->depth = at;
		return 0;
	}
	return 0;
}
