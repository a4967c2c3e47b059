/*
 * cpu: what runs, by a clock on each CPU: the user half of bpf/cpu.bpf.c.
 */
#ifndef STRANDLINE_PROBE_CPU_H
#define STRANDLINE_PROBE_CPU_H

#include <stdint.h>

struct probe_class;
struct stack_sample; /* bpf/stack.h */

struct probe_cpu_options {
	uint64_t hertz; /* ticks a second on each CPU */
	/* Each sample, besides what the capture takes of it; or NULL. */
	void (*seen)(void *context, const struct stack_sample *sample);
	void *context;
};

extern const struct probe_class probe_cpu;

#endif
