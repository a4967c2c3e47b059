/*
 * reach: how a tool that has stopped a process makes it fork a snapshot of
 * itself.  Freestanding and header-only; preload/reach.c is the one side,
 * attach/snapshot.c the other.
 *
 * The tool saves a thread's registers in the process's struct reach_call and
 * lets the thread run from slab_entry.code on slab_entry.stack, both the
 * shim's own.  There it makes one system call and goes back to where it was
 * by the saved registers: so it does even when the tool is killed between any
 * two of these steps.  The ordinary way back is that the tool stops it again
 * and puts its registers in place, because then the kernel restarts what
 * system call it was in by its own rules.
 *
 * There is one call and one stack: a tool that finds a thread in that code, or
 * on that stack, has come after one that was killed, and has to wait.
 */
#ifndef STRANDLINE_WIRE_REACH_H
#define STRANDLINE_WIRE_REACH_H

#include <stdint.h>

enum reach_op {
	REACH_FORK = 1, /* result: the snapshot's pid, or -errno */
	REACH_REAP,	/* wait for `argument`, a snapshot that was killed */
};

#define REACH_REGISTERS	 27
#define REACH_CODE_SIZE	 256	    /* from slab_entry.code on */
#define REACH_STACK_SIZE (16 << 10) /* down from slab_entry.stack */

struct reach_call {
	/* In the order of struct user_regs_struct; reach.S knows offsets. */
	uint64_t registers[REACH_REGISTERS];
	uint64_t signal_mask; /* of the thread, to be put back */
	uint64_t op;	      /* enum reach_op */
	uint64_t argument;
	uint64_t done;	 /* 1 once `result` stands */
	uint64_t result; /* what the system call returned */
};
_Static_assert(sizeof(struct reach_call) == 256, "shared with the shim");

/* One of the shim's own private regions, in the list at slab_entry.regions. */
struct reach_region {
	uint64_t at; /* 0: none */
	uint64_t size;
};

#endif
