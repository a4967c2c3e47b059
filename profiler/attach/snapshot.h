/*
 * snapshot: the memory of a running process as of one instant.
 *
 * All threads are stopped, their registers read, and one of them forks by way
 * of the recorder in the process (wire/reach.h); then all go on.  The fork
 * never runs: it stands stopped at birth until it is released, and the kernel
 * kills it should this process die.  It shares the process's descriptors, so
 * it keeps none open; it is the first that the kernel takes where memory runs
 * out; and when it ends the process gets no signal and no wait() sees it.
 *
 * The pause is that of the fork: some 10 ms a GiB in pages of 4 KiB.
 *
 * One thread takes and releases a snapshot; any may read its memory.
 */
#ifndef STRANDLINE_ATTACH_SNAPSHOT_H
#define STRANDLINE_ATTACH_SNAPSHOT_H

#include <stdint.h>
#include <sys/types.h>

#include "profiler/base/vec.h"

struct err;
struct slab_entry;

struct snapshot_stack { /* where a thread's stack was in use */
	uint64_t sp;
	uint64_t thread_pointer; /* glibc: at the stack's upper end */
};

struct snapshot {
	pid_t pid;	 /* of the fork; 0: none */
	pid_t inner_pid; /* the same where the process is: in a container */
	pid_t origin;	 /* of what it was taken of */
	int mem;	 /* its /proc/PID/mem */
	struct slab_entry *entry;
	uint64_t tsc, at_ns; /* the instant, by both clocks */
	uint64_t pause_ns;   /* how long any thread stood still */
	VEC(uint64_t) words; /* registers of all threads */
	VEC(struct snapshot_stack) stacks;
};

/*
 * Take one of @pid, whose recorder says @entry.  0, or -errno with a sentence
 * and the process as it was: -ESRCH, -EPERM, -EBUSY (try again), -ENOMEM (the
 * kernel or a memory limit has no room for it), -ENOTSUP (no recorder there,
 * or it is sandboxed).
 */
int snapshot_take(struct snapshot *s, pid_t pid, const struct slab_entry *entry,
		  struct err *err);
/* Kill it, and have the process take note.  A zeroed one is fine. */
void snapshot_release(struct snapshot *s);

#endif
