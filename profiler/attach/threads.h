/*
 * threads: registers, stacks and doings of all threads of a process, copied in
 * one short stop.
 *
 * What is read of a thread that runs on is read in pieces that do not fit; so
 * all stop, their registers and the used part of their stacks are copied, and
 * all go on.  Making stacks into names happens afterwards, from the copies.
 * The stop lasts about 20 us a thread.
 *
 * A thread that waits inside the kernel (state D) cannot be stopped: of it
 * there is what /proc tells, the stack pointer and where it called from.
 */
#ifndef STRANDLINE_ATTACH_THREADS_H
#define STRANDLINE_ATTACH_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "profiler/base/buf.h"
#include "profiler/base/vec.h"
#include "profiler/proc/task.h"

struct err;

struct thread_copy {
	struct task task; /* as just before the stop */
	bool stopped;	  /* else `regs` has only rip and rsp, or nothing */
	bool waits;	  /* in task.call; else it ran */
	struct user_regs_struct regs;
	uint64_t stack; /* address of the copy's first byte */
	size_t size;
	const uint8_t *bytes;
};

struct threads {
	pid_t pid;
	VEC(struct thread_copy) list; /* by tid, the first thread first */
	struct buf maps;	      /* /proc/PID/maps, as of the stop */
	uint64_t stopped_ns; /* from the first asked to stop to the last let
				go */
	bool job_control;    /* a signal had stopped the process before */
	uint8_t *pool;	     /* where the copies are */
	size_t pool_size;
	size_t pool_used;
};

struct threads_options {
	uint64_t patience_ns; /* for threads to stop */
	/*
	 * Called while all stand still, to copy what else there is; what it
	 * takes all pay for.  NULL: nothing.
	 */
	void (*while_stopped)(void *ctx, const struct threads *t);
	void *ctx;
};

/*
 * Copy @pid, or the process that thread @pid is of.  0; -ESRCH (gone, or a
 * zombie), -EPERM (no right to look), -EBUSY (another traces it), -ENOSYS (32
 * bits), -ENOTSUP (a thread of the kernel).
 */
int threads_copy(struct threads *t, pid_t pid,
		 const struct threads_options *opt, struct err *err);
void threads_free(struct threads *t); /* a zeroed one is fine */

#endif
