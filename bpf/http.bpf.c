/*
 * http: what the targets read and write on the connections that they serve.
 *
 * Tracepoints only.  A call is noted when a thread makes it and told when it
 * returns, with the beginning of its bytes; who asked what of whom is the
 * reader's to find out (profiler/http).  When bytes arrived is known from the
 * kernel: sk_data_ready is where it has them and wakes whoever waits.
 *
 * A connection is its struct sock, whatever descriptors and processes it goes
 * through.  One that no target accepted is taken up when what is read from it
 * begins like a request.
 */
#include "bpf/sockets.bpf.h"

#include <asm/unistd.h>
#include <bpf/bpf_tracing.h>
#include <linux/uio.h>

#include "bpf/counters.bpf.h"
#include "bpf/http.h"
#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define O_NONBLOCK   04000
#define MSG_PEEK     2
#define MSG_DONTWAIT 0x40

/* enum of net/tcp_states.h; it is in BTF as numbers only. */
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE     7
#define TCP_LAST_ACK  9
#define TCP_LISTEN    10

COUNTERS(SEGMENT_NCOUNTERS);

enum call_kind { CALL_NONE, CALL_READ, CALL_WRITE, CALL_ACCEPT, CALL_LISTEN };

struct call { /* that a thread has made and that has not returned */
	__u64 connection;
	__u64 at;     /* bytes, or iovecs; 0: bytes that no process has */
	__u64 vector; /* how many iovecs; 0: `at` are bytes */
	__u64 since_ns;
	__u32 fd;
	__u8 kind; /* enum call_kind */
	__u8 flags;
	__u8 pad[2];
};

struct plain {		  /* a call of a TLS library, on plaintext */
	__u64 connection; /* 0: none */
	__u64 at, size;
	__u64 result; /* where it says how much, or 0: by what it returns */
	__u64 since_ns;
};

struct thread {
	struct call call;
	struct plain plain;
	/* Of bytes that a TLS library may yet make plaintext of. */
	__u64 read_from; /* the connection read last */
	__u64 arrived_ns;
};

struct { /* freed with its thread */
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

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

/* ---- what this costs ---- */

/* When it began, of one run in SEGMENT_TIMED; else 0. */
static __always_inline __u64 run_begins(void)
{
	__u32 which = SEGMENT_RUNS;
	__u64 *runs = bpf_map_lookup_elem(&counters, &which);

	return runs && (*runs)++ % SEGMENT_TIMED == 0 ? bpf_ktime_get_ns() : 0;
}

static __always_inline void run_ends(__u64 began)
{
	if (began)
		count_many(SEGMENT_NS, bpf_ktime_get_ns() - began);
}

/* ---- noting a call ---- */

static __always_inline struct thread *this_thread(__u64 flags)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), NULL,
				    flags);
}

static __always_inline struct thread *make_thread(void)
{
	struct thread *t = this_thread(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		count(SEGMENT_NO_STORAGE);
	return t;
}

/* Is it on a connection that is served, or may be? */
static __always_inline bool is_followed(struct call *call)
{
	struct file *file = file_of(call->fd);
	struct sock *sk = socket_of_file(file);
	__u64 key = (__u64)sk;

	if (!sk)
		return false;
	/* Who writes first to a connection is its client. */
	if (!bpf_map_lookup_elem(&connections, &key) &&
	    (call->kind == CALL_WRITE || !socket_is_stream(sk)))
		return false;
	if (!(BPF_CORE_READ(file, f_flags) & O_NONBLOCK) &&
	    !(call->flags & SEGMENT_WAITS))
		call->flags = SEGMENT_WAITS;
	else
		call->flags = 0;
	call->connection = key;
	return true;
}

static __always_inline bool fill_message(struct call *call, __u64 message)
{
	struct {
		__u64 name, name_size, at, count;
	} user; /* struct user_msghdr */

	if (bpf_probe_read_user(&user, sizeof(user), (void *)message))
		return false;
	call->at = user.at;
	call->vector = user.count;
	return true;
}

/*
 * A read, a write or what makes connections, by its arguments; they stand in
 * the registers from its beginning to its end.
 */
static __always_inline bool fill_call(struct call *call, struct pt_regs *regs,
				      long number)
{
	call->fd = regs->rdi;
	call->at = regs->rsi;
	switch (number) {
	case __NR_recvfrom:
		if (regs->r10 & MSG_PEEK)
			return false;
		if (regs->r10 & MSG_DONTWAIT)
			call->flags = SEGMENT_WAITS; /* taken off again */
		break;
	case __NR_recvmsg:
		if (regs->rdx & MSG_PEEK || !fill_message(call, regs->rsi))
			return false;
		break;
	case __NR_sendmsg:
		if (!fill_message(call, regs->rsi))
			return false;
		break;
	case __NR_readv:
	case __NR_writev:
	case __NR_preadv2:
	case __NR_pwritev2:
		call->vector = regs->rdx;
		break;
	case __NR_sendto:
		if (regs->r10 & MSG_DONTWAIT)
			call->flags = SEGMENT_WAITS;
		break;
	case __NR_sendfile:
		call->at = 0;
		break;
	case __NR_splice: /* from a pipe to the connection */
		call->fd = regs->rdx;
		call->at = 0;
		break;
	case __NR_accept:
	case __NR_accept4:
	case __NR_listen:
		return true;
	}
	return is_followed(call);
}

static __always_inline void tell_close(__u64 key, __u32 pid);

#define ONE(number) (1ULL << __NR_##number)
#define LOW_CALLS                                                             \
	(ONE(read) | ONE(readv) | ONE(recvfrom) | ONE(recvmsg) | ONE(write) | \
	 ONE(writev) | ONE(sendto) | ONE(sendmsg) | ONE(sendfile) |           \
	 ONE(accept) | ONE(listen) | ONE(close))

/* Cheap, since every system call of the host asks; others may be told yes. */
static __always_inline bool may_concern(__u64 number)
{
	return number < 64 ? LOW_CALLS >> number & 1 : number >= __NR_splice;
}

static __always_inline int call_kind(long number)
{
	switch (number) {
	case __NR_read:
	case __NR_readv:
	case __NR_preadv2:
	case __NR_recvfrom:
	case __NR_recvmsg:
		return CALL_READ;
	case __NR_write:
	case __NR_writev:
	case __NR_pwritev2:
	case __NR_sendto:
	case __NR_sendmsg:
	case __NR_sendfile:
	case __NR_splice:
		return CALL_WRITE;
	case __NR_accept:
	case __NR_accept4:
		return CALL_ACCEPT;
	case __NR_listen:
		return CALL_LISTEN;
	default:
		return CALL_NONE;
	}
}

/* Connections of inet tell by their state. */
static __always_inline void closes(__u32 fd)
{
	struct sock *sk = socket_of_file(file_of(fd));

	if (sk && BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX)
		tell_close((__u64)sk, current_tgid());
}

SEC("tp_btf/sys_enter")
int BPF_PROG(http_enter, struct pt_regs *regs, long number)
{
	struct call call = {};
	struct thread *t;
	__u64 began;

	if (!may_concern(number))
		return 0;
	call.kind = call_kind(number);
	if (!call.kind && number != __NR_io_uring_setup && number != __NR_close)
		return 0;
	if (!target_find(current_tgid()))
		return 0;
	if (number == __NR_io_uring_setup) {
		count(SEGMENT_IO_URING);
		return 0;
	}
	if (number == __NR_close) {
		closes(regs->rdi);
		return 0;
	}
	began = run_begins();
	t = make_thread();
	if (t && fill_call(&call, regs, number)) {
		call.since_ns = bpf_ktime_get_ns();
		t->call = call;
	}
	run_ends(began);
	return 0;
}

/* ---- telling what went through ---- */

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

/* "GET /", "POST http", "PRI *": a word of capitals and a blank. */
static __always_inline bool looks_asked(const struct call *call, __u64 total)
{
	struct iovec part;
	__u64 from = call->at;
	char word[16] = {};

	if (call->vector) {
		if (bpf_probe_read_user(&part, sizeof(part), (void *)from))
			return false;
		from = (__u64)part.iov_base;
	}
	if (!from || total < sizeof(word) ||
	    bpf_probe_read_user(word, sizeof(word), (void *)from))
		return false;
	for (int i = 0; i < (int)sizeof(word); i++) {
		if (word[i] >= 'A' && word[i] <= 'Z')
			continue;
		return i >= 3 && word[i] == ' ';
	}
	return false;
}

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

static __always_inline void accepted(__u32 fd)
{
	struct sock *sk = socket_of_file(file_of(fd));

	if (!sk || !socket_is_stream(sk))
		return;
	note_port(sk);
	follow_connection((__u64)sk, false);
}

/* For what a TLS library makes of it, in one read or several. */
static __always_inline void note_arrival(struct thread *t, __u64 connection,
					 __u64 arrived_ns)
{
	if (arrived_ns || t->read_from != connection)
		t->arrived_ns = arrived_ns;
	t->read_from = connection;
}

static __always_inline void transferred(struct thread *t,
					const struct call *call, __u64 total)
{
	__u64 key = call->connection, now = bpf_ktime_get_ns();
	struct segment_connection *c = bpf_map_lookup_elem(&connections, &key);

	if (!c) {
		if (call->kind == CALL_WRITE || !looks_asked(call, total))
			return;
		follow_connection(key, true);
		c = bpf_map_lookup_elem(&connections, &key);
		if (!c)
			return;
	}
	if (!c->ignored)
		tell(c, call, total, now);
	if (call->kind == CALL_READ) {
		note_arrival(t, key, c->arrived_ns);
		/* Whatever comes from here on has not been read. */
		c->arrived_ns = 0;
	}
}

static __always_inline void returned(struct thread *t, const struct call *call,
				     long result)
{
	struct sock *sk;

	if (result < 0)
		return;
	if (call->kind == CALL_ACCEPT) {
		accepted(result);
	} else if (call->kind == CALL_LISTEN) {
		sk = socket_of_file(file_of(call->fd));
		if (sk)
			note_port(sk);
	} else if (result > 0) {
		transferred(t, call, result);
	}
}

/*
 * What a thread was in when we came: it waited for a request, or for a
 * connection.  Others have made a call since, and are known.
 */
static __always_inline struct thread *thread_at_last(struct pt_regs *regs)
{
	struct call call = { .kind = call_kind(regs->orig_rax) };
	struct thread *t;

	if ((call.kind != CALL_READ && call.kind != CALL_ACCEPT) ||
	    !target_find(current_tgid()))
		return NULL;
	t = make_thread();
	if (t && fill_call(&call, regs, regs->orig_rax))
		t->call = call;
	return t;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(http_exit, struct pt_regs *regs, long result)
{
	struct thread *t;
	struct call call;
	__u64 began;

	/* Most system calls of the host end here. */
	if (!may_concern(regs->orig_rax))
		return 0;
	t = this_thread(0);
	if (!t)
		t = thread_at_last(regs);
	if (!t || !t->call.kind)
		return 0;
	began = run_begins();
	call = t->call;
	t->call.kind = CALL_NONE;
	returned(t, &call, result);
	run_ends(began);
	return 0;
}

/* ---- what the network says ---- */

SEC("tp_btf/sk_data_ready")
int BPF_PROG(http_arrived, struct sock *sk)
{
	__u64 key = (__u64)sk, now;
	struct segment_connection *c = bpf_map_lookup_elem(&connections, &key);
	__u16 port;

	if (c) {
		if (!c->arrived_ns)
			c->arrived_ns = bpf_ktime_get_ns();
		return 0;
	}
	if (sk->__sk_common.skc_family == AF_UNIX ||
	    sk->__sk_common.skc_state == TCP_LISTEN)
		return 0;
	port = sk->__sk_common.skc_num;
	if (!bpf_map_lookup_elem(&ports, &port))
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&early, &key, &now, BPF_NOEXIST);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(http_state, struct sock *sk, int from, int to)
{
	__u64 key = (__u64)sk;

	if (to != TCP_FIN_WAIT1 && to != TCP_LAST_ACK && to != TCP_CLOSE)
		return 0;
	bpf_map_delete_elem(&early, &key);
	tell_close(key, 0);
	return 0;
}

/* ---- what TLS libraries say ---- */

/*
 * A TLS object is a connection of its own, of plaintext: its key is its
 * address and its process, which no address of the kernel can equal.
 */
static __always_inline __u64 tls_key(__u64 object)
{
	return object >> 4 | (__u64)(current_tgid() & 0x1fffff) << 43;
}

static __always_inline void plain_begins(struct pt_regs *regs, bool told)
{
	struct thread *t;

	if (!target_find(current_tgid()))
		return;
	t = make_thread();
	/* One that is within another is that other's own. */
	if (!t || t->plain.connection)
		return;
	t->plain.connection = tls_key(regs->rdi);
	t->plain.at = regs->rsi;
	t->plain.size = told ? regs->rdx : (__u32)regs->rdx;
	/* OpenSSL 3.3 has flags, hardly any, in front of the result. */
	t->plain.result = !told ? 0 : regs->rcx > 4096 ? regs->rcx : regs->r8;
	t->plain.since_ns = bpf_ktime_get_ns();
}

static __always_inline __u64 plain_size(const struct plain *p, __s32 returned)
{
	__u64 size = 0;

	if (!p->result)
		return returned > 0 ? returned : 0;
	if (returned <= 0 ||
	    bpf_probe_read_user(&size, sizeof(size), (void *)p->result))
		return 0;
	return size <= p->size ? size : 0;
}

static __always_inline struct segment_connection *plain_connection(
	const struct call *call, __u64 total)
{
	__u64 key = call->connection;
	struct segment_connection *c = bpf_map_lookup_elem(&connections, &key);

	if (c)
		return c;
	follow_connection(key,
			  call->kind == CALL_READ && !looks_asked(call, total));
	return bpf_map_lookup_elem(&connections, &key);
}

static __always_inline void plain_ends(struct pt_regs *regs, int kind)
{
	struct thread *t = this_thread(0);
	struct segment_connection *c;
	struct call call = { .kind = kind,
			     .flags = SEGMENT_WAITS | SEGMENT_TLS };
	__u64 total;

	if (!t || !t->plain.connection)
		return;
	call.connection = t->plain.connection;
	call.at = t->plain.at;
	call.since_ns = t->plain.since_ns;
	total = plain_size(&t->plain, regs->rax);
	t->plain.connection = 0;
	if (!total)
		return;
	c = plain_connection(&call, total);
	if (!c)
		return;
	if (kind == CALL_READ) {
		c->arrived_ns = t->arrived_ns;
		t->arrived_ns = 0;
	}
	if (!c->ignored)
		tell(c, &call, total, bpf_ktime_get_ns());
}

/* SSL_read and SSL_write, and what both they and their _ex forms call. */
SEC("uprobe")
int tls_begins(struct pt_regs *regs)
{
	plain_begins(regs, bpf_get_attach_cookie(regs) == TLS_TOLD);
	return 0;
}

SEC("uretprobe")
int tls_read(struct pt_regs *regs)
{
	plain_ends(regs, CALL_READ);
	return 0;
}

SEC("uretprobe")
int tls_wrote(struct pt_regs *regs)
{
	plain_ends(regs, CALL_WRITE);
	return 0;
}

SEC("uprobe")
int tls_freed(struct pt_regs *regs)
{
	__u32 pid = current_tgid();

	if (regs->rdi && target_find(pid))
		tell_close(tls_key(regs->rdi), pid);
	return 0;
}
