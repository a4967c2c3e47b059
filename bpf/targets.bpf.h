/*
 * targets: is this process one that we look at?
 *
 * Every program asks first: it sees the events of the whole host, and a
 * lookup that misses (about 20 ns) is all that the others may pay.
 */
#ifndef STRANDLINE_BPF_TARGETS_BPF_H
#define STRANDLINE_BPF_TARGETS_BPF_H

#include <bpf/bpf_helpers.h>

#include "bpf/targets.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TARGETS_MOST);
	__type(key, __u32);
	__type(value, struct target);
} targets SEC(".maps"); /* the session's, put in place before the load */

static __always_inline struct target *target_find(__u32 tgid)
{
	return bpf_map_lookup_elem(&targets, &tgid);
}

static __always_inline __u32 current_tgid(void)
{
	return (__u32)(bpf_get_current_pid_tgid() >> 32);
}

#endif
