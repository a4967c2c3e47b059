/*
 * sockets: from a descriptor of the current process to its struct sock.
 *
 * Pointers behind task_struct.files are read one by one: the verifier knows
 * no types there.  A descriptor that another thread closes meanwhile gives
 * a socket or nothing, never a fault.
 */
#ifndef STRANDLINE_BPF_SOCKETS_BPF_H
#define STRANDLINE_BPF_SOCKETS_BPF_H

#include "bpf/kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	__u16 skc_num; /* the local port, of inet */
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
};

struct socket {
	struct sock *sk;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	unsigned int f_flags;
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* Another view of task_struct, whose other members are in kernel.h. */
struct task_struct___files {
	struct files_struct *files;
};

#pragma clang attribute pop

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

#define AF_UNIX	 1
#define AF_INET	 2
#define AF_INET6 10

#define SOCK_STREAM_TYPE 1

static __always_inline struct file *file_of(__u32 fd)
{
	struct task_struct___files *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if (fd >= BPF_CORE_READ(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file),
			      BPF_CORE_READ(table, fd) + fd);
	return file;
}

/* NULL: no socket. */
static __always_inline struct sock *socket_of_file(struct file *file)
{
	struct socket *socket;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline bool socket_is_stream(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return BPF_CORE_READ(sk, sk_type) == SOCK_STREAM_TYPE &&
	       (family == AF_INET || family == AF_INET6 || family == AF_UNIX);
}

#endif
