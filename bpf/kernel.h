/*
 * kernel: the few kernel types that our programs look into, written by hand.
 *
 * Not vmlinux.h: that is 3 MB, belongs to one kernel, and cannot be made on a
 * build machine without BTF.  Only the names and types of members matter
 * here; where they lie is put in when a program is loaded (CO-RE), from the
 * BTF of the kernel that runs.  Add what you need, no more: a member that a
 * kernel lacks makes the load fail there.
 *
 * Constants and the types of the user interface come from <linux/...>.
 */
#ifndef STRANDLINE_BPF_KERNEL_H
#define STRANDLINE_BPF_KERNEL_H

#include <asm/ptrace.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

typedef int pid_t;

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct percpu_counter {
	__s64 count; /* without what CPUs still keep to themselves */
};

struct mm_struct {
	struct percpu_counter rss_stat[4]; /* file, anon, swap, shmem */
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
	int group_exit_code;
};

struct files_struct;

struct thread_struct { /* of x86 */
	unsigned long fsbase;
};

struct sched_entity {
	__u64 sum_exec_runtime; /* ns on a CPU, as of the last tick or switch */
};

struct task_struct {
	struct sched_entity se;
	unsigned int flags;
	unsigned int ptrace;
	pid_t pid;
	pid_t tgid;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct files_struct *files;
	unsigned int in_iowait : 1;
	__u64 start_boottime;
	int exit_code;
	int exit_signal;
	char comm[16];
	struct thread_struct thread;
};

struct linux_binprm;

#pragma clang attribute pop

#endif
