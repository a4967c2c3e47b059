/*
 * http_call: a system call of a thread, by its arguments.
 *
 * They stand in the registers from its beginning to its end.  Only calls on
 * connections that are followed, or may be, and those that make connections
 * are taken.
 */
#ifndef STRANDLINE_BPF_HTTP_CALL_BPF_H
#define STRANDLINE_BPF_HTTP_CALL_BPF_H

#include "bpf/http_connections.bpf.h"

#include <asm/unistd.h>
#include <linux/uio.h>

#define O_NONBLOCK   04000
#define MSG_PEEK     2
#define MSG_DONTWAIT 0x40

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

#endif
