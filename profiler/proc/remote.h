/*
 * remote: the memory of another process, or an image that stands for one.
 *
 * A read is whole or fails: half a structure is of no use to anybody.
 */
#ifndef STRANDLINE_PROC_REMOTE_H
#define STRANDLINE_PROC_REMOTE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct remote_range { /* bytes that a fake has at an address */
	uint64_t addr;
	const void *bytes;
	size_t size;
};

struct remote {
	pid_t pid; /* 0: a fake, or what `mem` is of */
	int mem;   /* /proc/PID/mem, open; 0: none */
	const struct remote_range *ranges;
	size_t range_count;
};

struct remote remote_process(pid_t pid);
/*
 * By @mem, /proc/PID/mem, which is the reader's to close.  Reads what the
 * process itself may not; and of a fork's page that is still its parent's too
 * makes no copy, as the other way does.
 */
struct remote remote_mem(int mem);
/* @ranges must outlive the remote. */
struct remote remote_fake(const struct remote_range *ranges, size_t count);

/*
 * Copy @size bytes at @addr.  0, -EFAULT (not mapped there), -ESRCH (the
 * process is gone), -EPERM.
 */
int remote_read(const struct remote *r, uint64_t addr, void *to, size_t size);
/*
 * Copy text up to its NUL, cut to fit @size and always terminated.  The
 * length, or as remote_read().
 */
ssize_t remote_read_text(const struct remote *r, uint64_t addr, char *to,
			 size_t size);

#endif
