/*
 * offcpu: what threads wait for: the user half of bpf/offcpu.bpf.c.
 */
#ifndef STRANDLINE_PROBE_OFFCPU_H
#define STRANDLINE_PROBE_OFFCPU_H

struct probe_class;

/* Without options. */
extern const struct probe_class probe_offcpu;

#endif
