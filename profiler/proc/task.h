/*
 * task: one thread of a process, as /proc/PID/task/TID shows it, and words for
 * what it waits for.
 */
#ifndef STRANDLINE_PROC_TASK_H
#define STRANDLINE_PROC_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;

#define TASK_NO_CALL -1

struct task_call {   /* the system call that a thread is in */
	long number; /* TASK_NO_CALL: none */
	uint64_t args[6];
};

struct task {
	pid_t tid;
	char name[64];	/* of kernel threads and workers up to that long */
	char state;	/* 'R', 'S', 'D', 'T', 't', 'Z', 'X', 'I' */
	char wchan[64]; /* where in the kernel it sleeps; "" where not told */
	uint64_t user_ticks, system_ticks;
	struct task_call call;
	uint64_t sp, pc; /* while it sleeps; 0: not told */
};

/* Thread @tid below @dir (procfs.h); -ESRCH when it has ended. */
int task_read(struct task *t, int dir, pid_t tid);

/* /proc/PID/task/TID/syscall: "running", "-1 SP PC", "NR A1 .. A6 SP PC". */
bool task_parse_syscall(const char *text, struct task *t);

/* "epoll_wait"; NULL for those that nobody waits in. */
const char *task_call_name(long number);

/*
 * What a thread waits for in @call, for a person: "a lock or condition
 * (futex)", "data on fd 7, socket 127.0.0.1:52110 to 127.0.0.1:6379", "a
 * timer".  @dir is the process's, to look up descriptors; < 0: none.
 */
void task_describe_call(struct buf *out, const struct task_call *call, int dir);

#endif
