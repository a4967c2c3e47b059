/*
 * stacks: where the threads of a process have their stacks.
 */
#ifndef STRANDLINE_PROC_STACKS_H
#define STRANDLINE_PROC_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/base/vec.h"

struct stacks_thread {
	pid_t tid;
	bool seen;   /* at the last refresh */
	uint64_t sp; /* 0: never caught asleep */
};

struct stacks {
	VEC(struct stacks_thread) threads; /* sorted by tid */
	VEC(uint64_t) pointers;		   /* sorted */
};

void stacks_fini(struct stacks *s);
/*
 * Read every thread's stack pointer below @dir (procfs.h).  One that runs
 * just now keeps the pointer read before.  0 or -errno.
 */
int stacks_refresh(struct stacks *s, int dir);
/* Some thread's stack pointer is in [start, end). */
bool stacks_touch(const struct stacks *s, uint64_t start, uint64_t end);

/* The stack pointer in the text of /proc/PID/task/TID/syscall, or 0. */
uint64_t stacks_parse_syscall(const char *text);

#endif
