/*
 * bpf/offcpu.h: the contract between offcpu.bpf.c and its reader.
 *
 * The ring carries each stack once (struct stack_sample); `sums` says how
 * long threads waited there, `waiting` who waits now.  Where it is asked for,
 * the ring `waits` tells when (struct offcpu_wait).
 */
#ifndef STRANDLINE_BPF_OFFCPU_H
#define STRANDLINE_BPF_OFFCPU_H

#include <linux/types.h>

enum offcpu_why { /* as enum wire_blocked */
		  OFFCPU_OTHER,
		  OFFCPU_RUNNABLE,
		  OFFCPU_FUTEX,
		  OFFCPU_EPOLL,
		  OFFCPU_DISK,
		  OFFCPU_SOCKET,
		  OFFCPU_SLEEP,
		  OFFCPU_FAULT,
		  OFFCPU_CHILD,
		  OFFCPU_FILE,
};

struct offcpu_place {
	__u64 stack; /* stack_head.id */
	__u32 pid;
	__u32 why; /* enum offcpu_why */
};
_Static_assert(sizeof(struct offcpu_place) == 16, "shared with user space");

struct offcpu_sum {
	__u64 ns;
	__u64 count;
};
_Static_assert(sizeof(struct offcpu_sum) == 16, "shared with user space");

/*
 * What a thread waited in one place between two times.  Short waits that
 * follow each other in the same place are told as one, and those that do not
 * add up to OFFCPU_TOLD_LEAST_NS not at all.
 */
struct offcpu_wait {
	struct offcpu_place place;
	__u64 from_ns, until_ns;
	__u64 ns; /* of these, waiting */
	__u32 tid;
	__u32 pad;
};
_Static_assert(sizeof(struct offcpu_wait) == 48, "shared with user space");

#define OFFCPU_TOLD_NS	     1000000ULL /* waits that add up to it are told */
#define OFFCPU_TOLD_LEAST_NS 100000ULL
#define OFFCPU_TOLD_LATE_NS  10000000ULL /* after the first of them */

/* A stack that was taken: at what, and when. */
struct offcpu_look {
	__u64 pc, sp, bp;
	__u64 looked_ns;
	__u64 stack;
	__u32 blocked_why; /* of a wait there; it may have been preempted */
	__u32 pad;
};
_Static_assert(sizeof(struct offcpu_look) == 48, "shared with user space");

#define OFFCPU_LOOKS 4 /* that are remembered of a thread */

struct offcpu_thread {
	struct offcpu_place place; /* where it waits, or waited last */
	__u64 since_ns;		   /* CLOCK_MONOTONIC; 0: it runs */
	__u64 turn;		   /* whose place the next look takes */
	struct offcpu_look looks[OFFCPU_LOOKS];
	struct offcpu_wait untold;
};
_Static_assert(sizeof(struct offcpu_thread) == 272, "shared with user space");

#define OFFCPU_THREADS_MOST 65536
#define OFFCPU_PLACES_MOST  65536

enum offcpu_counter { /* index into `counters` */
		      OFFCPU_STACKS,
		      OFFCPU_NS, /* spent on stacks */
		      OFFCPU_SWITCHES,
		      OFFCPU_RING_FULL,
		      OFFCPU_THREADS_FULL,
		      OFFCPU_PLACES_FULL,
		      OFFCPU_CUT,
		      OFFCPU_BROKEN,
		      OFFCPU_WAITS,
		      OFFCPU_WAITS_FULL,
		      OFFCPU_NCOUNTERS,
};

#endif
