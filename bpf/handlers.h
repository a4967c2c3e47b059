/*
 * bpf/handlers.h: the contract between handlers.bpf.c and its reader: calls
 * of functions that the user has named.
 */
#ifndef STRANDLINE_BPF_HANDLERS_H
#define STRANDLINE_BPF_HANDLERS_H

#include <linux/types.h>

struct handler_call {
	__u64 began_ns; /* CLOCK_MONOTONIC */
	__u64 ended_ns;
	__u32 handler; /* whose number the probes on it carry */
	__u32 pid;     /* tgid, of the first pid namespace */
	__u32 tid;
	__u32 pad;
};
_Static_assert(sizeof(struct handler_call) == 32, "shared with user space");

#define HANDLERS_DEPTH 16 /* calls of handlers within each other */

enum handlers_counter {
	HANDLERS_BEGUN,
	HANDLERS_SENT,
	HANDLERS_RING_FULL,
	HANDLERS_TOO_DEEP,
	HANDLERS_LEFT, /* not by their exits: longjmp, an exception */
	HANDLERS_NO_STORAGE,
	HANDLERS_NCOUNTERS,
};

#endif
