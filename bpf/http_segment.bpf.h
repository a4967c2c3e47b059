/*
 * http_segment: telling the reader what went through a connection, and that
 * it has ended.
 */
#ifndef STRANDLINE_BPF_HTTP_SEGMENT_BPF_H
#define STRANDLINE_BPF_HTTP_SEGMENT_BPF_H

#include "bpf/http_call.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SEGMENT_RING_SIZE);
} ring SEC(".maps");

/* The reader looks by itself, often; it is woken when that is too seldom. */
static __always_inline __u64 wake(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >
			       SEGMENT_RING_SIZE / 4
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* 64 bits and out of the compiler's sight, or the verifier loses the bound. */
static __always_inline __u64 at_most(__u64 size, __u64 most)
{
	barrier_var(size);
	return size < most ? size : most;
}

/*
 * Each branch would double what the verifier has to walk through.  So what goes
 * wrong is added up, and how much room is used stands in the event: of that the
 * verifier knows nothing, whichever way it came.
 */
static __always_inline __u64 look(__u8 *to, __u64 size, __u64 from)
{
	return (__u64)bpf_probe_read_user(to, size, (void *)from);
}

/* The first buffer: it may fill all the room. */
static __always_inline __u64 take_first(struct segment *event, const __u64 room,
					__u64 from, __u64 size)
{
	__u64 seen = at_most(size, room);

	event->piece[0].total = size;
	event->piece[0].seen = seen;
	event->piece[0].tail = 0;
	event->used = seen;
	return look(event->bytes, seen, from);
}

static __always_inline __u64 take_more(struct segment *event, const __u64 room,
				       __u32 n, __u64 from, __u64 size)
{
	__u64 seen = at_most(size, SEGMENT_MORE_MAX), used = event->used;

	event->piece[n].total = size;
	event->piece[n].seen = 0;
	event->piece[n].tail = 0;
	if (used >= room)
		return 0;
	event->piece[n].seen = seen;
	event->used = used + seen;
	return look(event->bytes + used, seen, from);
}

/* The end of the last buffer, where a chunked answer may end. */
static __always_inline __u64 take_tail(struct segment *event, const __u64 room,
				       __u32 n, __u64 from)
{
	__u64 used = event->used, tail;
	struct segment_piece *piece;

	if (n >= SEGMENT_PIECES || used > room + SEGMENT_MORE_MAX)
		return 0;
	piece = &event->piece[n];
	tail = at_most((__u64)piece->total - piece->seen, SEGMENT_TAIL_MAX);
	piece->tail = tail;
	return look(event->bytes + used, tail, from + piece->total - tail);
}

static __always_inline __u64 take_vector(struct segment *event,
					 const __u64 room,
					 const struct call *call, __u64 left)
{
	struct iovec part = {};
	__u64 failed = 0;
	__u32 n;

	for (n = 0; n < SEGMENT_PIECES; n++) {
		__u64 size;

		if (n >= call->vector || !left)
			break;
		if (bpf_probe_read_user(&part, sizeof(part),
					(void *)(call->at + n * sizeof(part))))
			break;
		size = (__u64)part.iov_len < left ? (__u64)part.iov_len : left;
		if (n == 0)
			failed |= take_first(event, room, (__u64)part.iov_base,
					     size);
		else
			failed |= take_more(event, room, n,
					    (__u64)part.iov_base, size);
		left -= size;
	}
	event->pieces = n;
	if (n && !left)
		failed |= take_tail(event, room, n - 1, (__u64)part.iov_base);
	return failed;
}

static __always_inline void take(struct segment *event, const __u64 room,
				 const struct call *call, __u64 total)
{
	__u64 failed = 0;

	event->pieces = 0;
	if (call->vector) {
		failed = take_vector(event, room, call, total);
	} else if (call->at) {
		event->pieces = 1;
		failed = take_first(event, room, call->at, total);
		failed |= take_tail(event, room, 0, call->at);
	}
	if (failed) {
		event->flags |= SEGMENT_UNREAD;
		count(SEGMENT_BYTES_UNREAD);
	}
}

static __always_inline void describe(struct segment *event,
				     struct segment_connection *c,
				     const struct call *call, __u64 total,
				     __u64 now)
{
	__u64 id = bpf_get_current_pid_tgid();
	int way = call->kind == CALL_WRITE;

	event->connection = call->connection;
	event->at_ns = now;
	event->since_ns = call->since_ns;
	event->arrived_ns = way ? 0 : c->arrived_ns;
	event->missed = c->missed[way];
	event->total = total;
	event->cpu_ns =
		BPF_CORE_READ(bpf_get_current_task_btf(), se.sum_exec_runtime);
	event->pid = id >> 32;
	event->tid = (__u32)id;
	event->kind = way ? SEGMENT_WRITE : SEGMENT_READ;
	event->flags = call->flags;
	if (!c->told)
		event->flags |= c->joined ? SEGMENT_OPENS | SEGMENT_JOINED
					  : SEGMENT_OPENS;
	c->told = 1;
	c->missed[way] = 0;
	c->pid = event->pid;
}

/* Reserve an event of that much room, fill it and hand it over. */
#define TELL(size)                                                     \
	({                                                             \
		struct segment *event =                                \
			bpf_ringbuf_reserve(&ring,                     \
					    sizeof(*event) + (size) +  \
						    SEGMENT_MORE_MAX + \
						    SEGMENT_TAIL_MAX,  \
					    0);                        \
                                                                       \
		if (event) {                                           \
			describe(event, c, call, total, now);          \
			take(event, (size), call, total);              \
			bpf_ringbuf_submit(event, wake());             \
		}                                                      \
		event != NULL;                                         \
	})

static __always_inline void tell(struct segment_connection *c,
				 const struct call *call, __u64 total,
				 __u64 now)
{
	if (total <= SEGMENT_SMALL ? TELL(SEGMENT_SMALL)
				   : TELL(SEGMENT_LARGE)) {
		count(SEGMENT_SENT);
		return;
	}
	count(SEGMENT_RING_FULL);
	c->missed[call->kind == CALL_WRITE] += total;
	c->joined |= !c->told;
}

static __always_inline void tell_close(__u64 key, __u32 pid)
{
	struct segment_connection *c = bpf_map_lookup_elem(&connections, &key);
	struct segment *event;

	if (!c)
		return;
	if (c->told && !c->ignored) {
		event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
		if (event) {
			event->connection = key;
			event->at_ns = bpf_ktime_get_ns();
			event->missed = 0;
			event->total = 0;
			event->cpu_ns = 0;
			event->pid = pid ? pid : c->pid;
			event->kind = SEGMENT_CLOSE;
			event->flags = 0;
			event->pieces = 0;
			bpf_ringbuf_submit(event, wake());
		} else {
			count(SEGMENT_RING_FULL);
		}
	}
	bpf_map_delete_elem(&connections, &key);
}

#endif
