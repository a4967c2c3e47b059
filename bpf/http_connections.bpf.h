/*
 * http_connections: the connections that are followed, by their struct sock.
 *
 * One that a target accepted, or on which it was asked something, is in
 * `connections` until it is closed.  Of what nobody has accepted yet `early`
 * remembers when its first bytes came, on the ports of the targets.
 */
#ifndef STRANDLINE_BPF_HTTP_CONNECTIONS_BPF_H
#define STRANDLINE_BPF_HTTP_CONNECTIONS_BPF_H

#include "bpf/sockets.bpf.h"

#include "bpf/counters.bpf.h"
#include "bpf/http.h"

COUNTERS(SEGMENT_NCOUNTERS);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SEGMENT_CONNECTIONS_MOST);
	__type(key, __u64);
	__type(value, struct segment_connection);
} connections SEC(".maps");

struct { /* local ports on which targets listen */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u16);
	__type(value, __u8);
} ports SEC(".maps");

struct { /* when the first bytes came to what nobody has accepted yet */
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} early SEC(".maps");

static __always_inline void follow_connection(__u64 key, bool joined)
{
	struct segment_connection fresh = { .joined = joined };
	__u64 *arrived = bpf_map_lookup_elem(&early, &key);

	if (arrived) {
		fresh.arrived_ns = joined ? 0 : *arrived;
		bpf_map_delete_elem(&early, &key);
	}
	if (bpf_map_update_elem(&connections, &key, &fresh, BPF_ANY))
		count(SEGMENT_CONNECTIONS_FULL);
}

static __always_inline void note_port(struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);
	__u8 yes = 1;

	if (port && !bpf_map_lookup_elem(&ports, &port))
		bpf_map_update_elem(&ports, &port, &yes, BPF_ANY);
}

#endif
