/*
 * bpf/cpu.h: the contract between cpu.bpf.c and its reader.  The ring carries
 * struct stack_sample, each as long as its frames are.
 */
#ifndef STRANDLINE_BPF_CPU_H
#define STRANDLINE_BPF_CPU_H

enum cpu_counter { /* index into `counters` */
		   CPU_SENT,
		   CPU_NS, /* spent on stacks */
		   CPU_FRAMES,
		   CPU_RING_FULL,
		   CPU_CUT,
		   CPU_BROKEN,
		   CPU_NCOUNTERS,
};

#endif
