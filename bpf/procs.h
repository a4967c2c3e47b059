/*
 * bpf/procs.h: the contract between procs.bpf.c and its reader: processes of
 * the target that begin, become another program, and end.
 */
#ifndef STRANDLINE_BPF_PROCS_H
#define STRANDLINE_BPF_PROCS_H

#include <linux/types.h>

enum procs_what {
	PROCS_FORK,
	PROCS_EXEC,
	PROCS_EXIT,
};

struct procs_event {
	__u64 at_ns; /* CLOCK_MONOTONIC */
	__u32 what;  /* enum procs_what */
	__s32 pid;   /* of the process, in the first pid namespace */
	__s32 ppid;
	__s32 status; /* of an EXIT, as waitpid() gives it */
};
_Static_assert(sizeof(struct procs_event) == 24, "shared with user space");

enum procs_counter { /* index into `counters` */
		     PROCS_SENT,
		     PROCS_RING_FULL,
		     PROCS_TARGETS_FULL, /* a child that is not followed */
		     PROCS_NCOUNTERS,
};

#endif
