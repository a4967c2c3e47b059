/*
 * counters: what a program did and, one counter a reason, what it dropped.
 *
 * Each probe numbers its counters in an enum of its NAME.h that ends with
 * NAME_NCOUNTERS, and says COUNTERS(NAME_NCOUNTERS) once.  Per CPU, so that
 * counting costs an increment; the reader adds them up (profiler/probe's
 * counters_read).
 */
#ifndef STRANDLINE_BPF_COUNTERS_H
#define STRANDLINE_BPF_COUNTERS_H

#include <bpf/bpf_helpers.h>

#define COUNTERS(n)                                                       \
	struct {                                                          \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                  \
		__uint(max_entries, (n));                                 \
		__type(key, __u32);                                       \
		__type(value, __u64);                                     \
	} counters SEC(".maps");                                          \
                                                                          \
	static __always_inline void count_many(__u32 which, __u64 n_more) \
	{                                                                 \
		__u64 *value = bpf_map_lookup_elem(&counters, &which);    \
                                                                          \
		if (value)                                                \
			*value += n_more;                                 \
	}                                                                 \
                                                                          \
	static __always_inline void count(__u32 which)                    \
	{                                                                 \
		count_many(which, 1);                                     \
	}                                                                 \
	_Static_assert(1, "takes a semicolon")

#endif
