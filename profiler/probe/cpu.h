/*
 * cpu: what runs, by a clock on each CPU: the user half of bpf/cpu.bpf.c.
 */
#ifndef STRANDLINE_PROBE_CPU_H
#define STRANDLINE_PROBE_CPU_H

#include <stdint.h>

struct probe_class;

struct probe_cpu_options {
	uint64_t hertz; /* ticks a second on each CPU */
};

extern const struct probe_class probe_cpu;

#endif
