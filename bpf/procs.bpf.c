/*
 * procs: keep the set of processes that are looked at, and tell of changes.
 *
 * What a target forks becomes a target before it runs; what ends is taken
 * out, so that a number given again is not ours.
 */
#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/counters.bpf.h"
#include "bpf/procs.h"
#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Written before the load: what is looked at besides those in the map. */
const volatile __u64 cgroup;	   /* its id, for it and all below; 0: none */
const volatile __u32 cgroup_level; /* how deep it lies; the root is 0 */
const volatile bool follow;	   /* children too */

COUNTERS(PROCS_NCOUNTERS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} ring SEC(".maps");

static void tell(enum procs_what what, struct task_struct *task, int status)
{
	struct procs_event *event;

	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (!event) {
		count(PROCS_RING_FULL);
		return;
	}
	event->at_ns = bpf_ktime_get_ns();
	event->what = what;
	event->pid = task->tgid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->status = status;
	bpf_ringbuf_submit(event, 0);
	count(PROCS_SENT);
}

static bool adopt(struct task_struct *task)
{
	struct target born = { .start_ns = task->start_boottime };
	__u32 pid = task->tgid;

	if (bpf_map_update_elem(&targets, &pid, &born, BPF_ANY) == 0)
		return true;
	count(PROCS_TARGETS_FULL);
	return false;
}

static bool in_cgroup(void)
{
	return cgroup &&
	       bpf_get_current_ancestor_cgroup_id((int)cgroup_level) == cgroup;
}

/* What a search for lost blocks takes of a process (attach/snapshot.c). */
static bool is_snapshot(const struct task_struct *child)
{
	return child->ptrace && child->exit_signal == 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(procs_fork, struct task_struct *parent, struct task_struct *child)
{
	if (child->pid != child->tgid /* a thread */ || is_snapshot(child))
		return 0;
	if (!(follow && target_find(parent->tgid)) && !in_cgroup())
		return 0;
	if (adopt(child))
		tell(PROCS_FORK, child, 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(procs_exec, struct task_struct *task, pid_t old_pid)
{
	struct target *target = target_find(task->tgid);

	if (!target && in_cgroup() && adopt(task))
		target = target_find(task->tgid);
	if (!target)
		return 0;
	target->image++;
	tell(PROCS_EXEC, task, 0);
	return 0;
}

static int exit_status(struct task_struct *task)
{
	int group = BPF_CORE_READ(task, signal, group_exit_code);

	return group ? group : task->exit_code;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(procs_exit, struct task_struct *task)
{
	__u32 pid = task->tgid;

	/* The first thread can end before the others, so its end says
	 * nothing. */
	if (BPF_CORE_READ(task, signal, live.counter) != 0 || !target_find(pid))
		return 0;
	tell(PROCS_EXIT, task, exit_status(task));
	bpf_map_delete_elem(&targets, &pid);
	return 0;
}
