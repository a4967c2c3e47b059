/*
 * bpf/targets.h: the contract of the set of processes that are looked at.
 *
 * One map, shared by all probes of a session: process (tgid of the first pid
 * namespace) to struct target.  The tool puts the first ones in; procs.bpf.c
 * adds what they fork and takes out what ends, at the event itself, so that a
 * child is seen from its first instruction on.
 */
#ifndef STRANDLINE_BPF_TARGETS_H
#define STRANDLINE_BPF_TARGETS_H

#include <linux/types.h>

struct target {
	__u64 start_ns; /* CLOCK_BOOTTIME of its fork: which process of that
			 * number */
	__u32 image;	/* 0, then +1 for every exec */
	__u32 pad;
};
_Static_assert(sizeof(struct target) == 16, "shared with user space");

#define TARGETS_MOST 16384

#endif
