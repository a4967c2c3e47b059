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

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} ring SEC(".maps");

/* In user mode the tick's own registers; else those at the kernel's door. */
static void take_stack(struct bpf_perf_event_data *ctx,
		       struct stack_sample *out)
{
	struct pt_regs *regs = user_regs();
	__u64 pc = regs->rip, sp = regs->rsp, bp = regs->rbp;

	out->head.kernel_count = 0;
	if (ctx->regs.cs & 3) {
		pc = ctx->regs.rip;
		sp = ctx->regs.rsp;
		bp = ctx->regs.rbp;
	} else {
		kernel_stack(ctx, out);
	}
	user_stack(out, pc, sp, bp);
}

SEC("perf_event")
int cpu_tick(struct bpf_perf_event_data *ctx)
{
	struct stack_sample *out;
	__u64 since;

	if (!target_find(current_tgid()))
		return 0;
	out = stack_scratch();
	if (!out)
		return 0;
	since = bpf_ktime_get_ns();
	take_stack(ctx, out);
	count_many(CPU_NS, bpf_ktime_get_ns() - since);
	count_many(CPU_FRAMES, out->head.user_count);
	if (out->head.end == STACK_END_CUT)
		count(CPU_CUT);
	else if (out->head.end != STACK_END_ROOT)
		count(CPU_BROKEN);
	if (bpf_ringbuf_output(&ring, out, stack_bytes(out), 0) < 0)
		count(CPU_RING_FULL);
	else
		count(CPU_SENT);
	return 0;
}
