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
#include "bpf/http_segment.bpf.h"

#include <bpf/bpf_tracing.h>

#include "bpf/targets.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* enum of net/tcp_states.h; it is in BTF as numbers only. */
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE     7
#define TCP_LAST_ACK  9
#define TCP_LISTEN    10

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

/* ---- what came of a call ---- */

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
