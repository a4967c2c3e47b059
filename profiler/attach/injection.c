#include "profiler/attach/injection.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "profiler/base/err.h"

#define STEP_NS 50000L
#define EAGER	200 /* looks that only yield */

static bool fd_has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) != 0;
}

bool injection_has_ended(const struct injection *in)
{
	return fd_has_ended(in->pidfd) || fd_has_ended(in->process);
}

int injection_gone(const struct injection *in)
{
	return err_set(in->err, -ESRCH, "process %d has ended", (int)in->pid);
}

int injection_put(const struct injection *in, uint64_t at, const void *from,
		  size_t size)
{
	ssize_t n = pwrite(in->mem, from, size, (off_t)at);

	if (n == (ssize_t)size)
		return 0;
	return injection_has_ended(in)
		       ? injection_gone(in)
		       : err_errno(in->err,
				   "cannot write to the memory of "
				   "process %d",
				   (int)in->pid);
}

int injection_get(const struct injection *in, uint64_t at, void *to,
		  size_t size)
{
	ssize_t n = pread(in->mem, to, size, (off_t)at);

	if (n == (ssize_t)size)
		return 0;
	return injection_has_ended(in) || n == 0
		       ? injection_gone(in)
		       : err_errno(in->err,
				   "cannot read the memory of process %d",
				   (int)in->pid);
}

int injection_put_go(const struct injection *in, enum late_go go)
{
	return injection_put(in, INJECTION_AT(in, go), &go, sizeof(go));
}

void injection_rest(unsigned looks)
{
	const struct timespec step = { .tv_nsec = STEP_NS };

	if (looks < EAGER)
		sched_yield();
	else
		nanosleep(&step, NULL);
}
