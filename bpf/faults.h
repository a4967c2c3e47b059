/*
 * bpf/faults.h: the contract between faults.bpf.c and its reader: pages that
 * were taken, and addresses that were given back.
 *
 * The kernel counts resident pages per process in steps (of 32 pages and
 * more, as it keeps the rest per CPU).  Each step is charged whole to the
 * stack that made it: who takes most pages makes most steps, and all steps
 * together are what the resident size grew by.
 */
#ifndef STRANDLINE_BPF_FAULTS_H
#define STRANDLINE_BPF_FAULTS_H

#include <linux/types.h>

#include "bpf/stack.h"

enum faults_what {
	FAULTS_TAKEN = 1, /* struct faults_taken */
	FAULTS_GIVEN,	  /* struct faults_given: [start, end) has no pages */
	FAULTS_MOVED,	  /* struct faults_given: [start, end) to `to` on */
};

struct faults_taken {
	__u32 what;
	__u32 pages;   /* this step is of so many */
	__u64 address; /* of the fault that made it; 0: not by a fault */
	struct stack_sample sample; /* as long as its frames are */
};

struct faults_given {
	__u32 what;
	__s32 pid;
	__u64 start, end;
	__u64 to;
};
_Static_assert(sizeof(struct faults_given) == 32, "shared with user space");

enum faults_counter { /* index into `counters` */
		      FAULTS_SENT,
		      FAULTS_NS, /* spent on stacks */
		      FAULTS_STACKS,
		      FAULTS_RING_FULL,
		      FAULTS_PAGES_LOST, /* of steps that the ring had no room
					  * for */
		      FAULTS_GIVEN_LOST,
		      FAULTS_CUT,
		      FAULTS_BROKEN,
		      FAULTS_NO_STORAGE,
		      FAULTS_NCOUNTERS,
};

#endif
