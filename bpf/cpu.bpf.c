/*
 * cpu: who runs, at each tick of a clock on every CPU.
 */
#include "bpf/stack.bpf.h"

#include <linux/bpf_perf_event.h>

#include "bpf/counters.bpf.h"
#include "bpf/cpu.h"
#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

COUNTERS(CPU_NCOUNTERS);

#define RING		 (1024 * 1024)
#define WAKE_NS		 50000000ULL /* the reader, at most that often... */
#define RING_FULL_ENOUGH (RING / 4)  /* ...unless there is so much */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING);
} ring SEC(".maps");

volatile __u64 woken_ns;

/* To wake it for each sample costs more than to take the sample. */
static __always_inline __u64 wake(__u64 now)
{
	if (now - woken_ns < WAKE_NS &&
	    bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < RING_FULL_ENOUGH)
		return BPF_RB_NO_WAKEUP;
	woken_ns = now;
	return BPF_RB_FORCE_WAKEUP;
}

/* In user mode the tick's own registers; else those at the kernel's door. */
static void take_stack(struct bpf_perf_event_data *ctx, struct stack_work *w,
		       __u64 now)
{
	__u64 pc = ctx->regs.rip, sp = ctx->regs.rsp, bp = ctx->regs.rbp;

	w->event.sample.head.kernel_count = 0;
	if (!(ctx->regs.cs & 3)) {
		const struct pt_regs *regs = user_regs();

		pc = regs->rip;
		sp = regs->rsp;
		bp = regs->rbp;
		kernel_stack(ctx, &w->event.sample);
	}
	user_stack(w, pc, sp, bp, now);
}

SEC("perf_event")
int cpu_tick(struct bpf_perf_event_data *ctx)
{
	struct stack_sample *out;
	struct stack_work *w;
	__u64 since;

	if (!target_find(current_tgid()))
		return 0;
	w = stack_work();
	if (!w)
		return 0;
	out = &w->event.sample;
	since = bpf_ktime_get_ns();
	take_stack(ctx, w, since);
	count_many(CPU_NS, bpf_ktime_get_ns() - since);
	count_many(CPU_FRAMES, out->head.user_count);
	if (out->head.end == STACK_END_CUT)
		count(CPU_CUT);
	else if (out->head.end != STACK_END_ROOT)
		count(CPU_BROKEN);
	if (bpf_ringbuf_output(&ring, out, stack_bytes(out), wake(since)) < 0)
		count(CPU_RING_FULL);
	else
		count(CPU_SENT);
	return 0;
}
