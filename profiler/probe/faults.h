/*
 * faults: who makes the resident size grow: the user half of
 * bpf/faults.bpf.c.
 */
#ifndef STRANDLINE_PROBE_FAULTS_H
#define STRANDLINE_PROBE_FAULTS_H

struct probe_class;

/* Without options. */
extern const struct probe_class probe_faults;

#endif
