#include "profiler/attach/turn.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/file.h>
#include <time.h>

#include "profiler/attach/tracee.h"
#include "profiler/base/err.h"

#define TURN_NS 3000000000ULL /* for another one to be through with it */
#define STEP_NS 5000000L

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&p, 1, 0) != 0;
}

/*
 * Whoever has this file open, by the same /proc, has the same file.  A /proc
 * that knows no locks lets all of them go.
 */
int turn_take(int mem, pid_t pid, int process, struct err *err)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	uint64_t until = tracees_now_ns() + TURN_NS;

	while (flock(mem, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return 0;
		if (has_ended(process))
			return err_set(err, -ESRCH, "process %d has ended",
				       (int)pid);
		if (tracees_now_ns() > until)
			return err_set(err, -EBUSY,
				       "another strandline is about to attach "
				       "to process %d, or to leave it; try "
				       "again",
				       (int)pid);
		nanosleep(&step, NULL);
	}
	return 0;
}
