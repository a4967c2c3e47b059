/*
 * remote: the memory of another process, or an image that stands for one.
 */
#include "profiler/proc/remote.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u

struct remote remote_process(pid_t pid)
{
	return (struct remote) { .pid = pid };
}

struct remote remote_mem(int mem)
{
	return (struct remote) { .mem = mem };
}

struct remote remote_fake(const struct remote_range *ranges, size_t count)
{
	return (struct remote) { .ranges = ranges, .range_count = count };
}

static int read_fake(const struct remote *r, uint64_t addr, void *to,
		     size_t size)
{
	for (size_t i = 0; i < r->range_count; i++) {
		const struct remote_range *range = &r->ranges[i];
		uint64_t offset = addr - range->addr;

		if (addr < range->addr || offset > range->size ||
		    size > range->size - offset)
			continue;
		memcpy(to, (const char *)range->bytes + offset, size);
		return 0;
	}
	return -EFAULT;
}

static int read_mem(const struct remote *r, uint64_t addr, char *to,
		    size_t size)
{
	while (size > 0) {
		ssize_t n = pread(r->mem, to, size, (off_t)addr);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* 0: the process is gone */
			return n < 0 ? -errno : -ESRCH;
		addr += (uint64_t)n;
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

int remote_read(const struct remote *r, uint64_t addr, void *to, size_t size)
{
	struct iovec here = { to, size };
	struct iovec there = { (void *)(uintptr_t)addr, size };
	ssize_t n;

	if (r->mem)
		return read_mem(r, addr, to, size);
	if (r->pid == 0)
		return read_fake(r, addr, to, size);
	n = process_vm_readv(r->pid, &here, 1, &there, 1, 0);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EFAULT;
}

/* To the end of a page at a time: the next page may not be there. */
ssize_t remote_read_text(const struct remote *r, uint64_t addr, char *to,
			 size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		size_t want = PAGE - (size_t)((addr + len) % PAGE);
		const char *nul;
		int rc;

		if (want > size - 1 - len)
			want = size - 1 - len;
		rc = remote_read(r, addr + len, to + len, want);
		if (rc == -EFAULT && r->range_count && want > 1) {
			want = 1; /* a fake's ranges need not fill pages */
			rc = remote_read(r, addr + len, to + len, want);
		}
		if (rc < 0) {
			to[0] = '\0';
			return rc;
		}
		nul = memchr(to + len, '\0', want);
		if (nul)
			return nul - to;
		len += want;
	}
	if (size > 0)
		to[len] = '\0';
	return (ssize_t)len;
}
