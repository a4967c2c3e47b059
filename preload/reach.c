/*
 * reach: forks a snapshot of the process when a tool asks (wire/reach.h).
 *
 * The tool stops all threads, borrows one and sends it to reach_enter(); the
 * snapshot is a child that never runs: it is stopped at birth, looked at from
 * outside and killed.  No libc, no lock, no allocation, no vector register
 * (this file is compiled without any): the thread may have been stopped
 * anywhere.  One tool at a time, which the tools see to among themselves.
 */
#include <stdbool.h>
#include <stdint.h>

#include "preload/sys.h"
#include "profiler/wire/reach.h"
#include "profiler/wire/slab.h"

#define CLONE_FILES_ 0x400 /* <sched.h> wants more of libc than we have */
#define WNOHANG_     1
#define WALL	     0x40000000
#define SETMASK	     2
#define LEAVE_NS     1000000000ULL
#define LEAVE_STEP   500000 /* ns between two looks */

struct reach_call reach_call __attribute__((visibility("hidden")));
static char stack[REACH_STACK_SIZE] __attribute__((aligned(16)));

void reach_enter(void) __attribute__((visibility("hidden")));
void reach_work(void) __attribute__((visibility("hidden")));
void reach_tell(struct slab_entry *entry) __attribute__((visibility("hidden")));
void reach_leave(struct slab_entry *entry, const char *path)
	__attribute__((visibility("hidden")));

/*
 * The table of descriptors is shared, so that what the server closes is
 * closed; the exit signal is none, so that the server is never told.
 */
static long fork_snapshot(void)
{
	long pid = sys6(SYS_clone, CLONE_FILES_, 0, 0, 0, 0, 0);

	if (pid == 0) /* the tool is gone, or we would be standing still */
		for (;;)
			sys3(SYS_exit_group, 0, 0, 0);
	return pid;
}

void reach_work(void)
{
	long result = -38; /* ENOSYS */

	if (reach_call.op == REACH_FORK)
		result = fork_snapshot();
	else if (reach_call.op == REACH_REAP)
		result = sys6(SYS_wait4, (long)reach_call.argument, 0,
			      WNOHANG_ | WALL, 0, 0, 0);
	reach_call.result = (uint64_t)result;
	__atomic_store_n(&reach_call.done, 1, __ATOMIC_RELEASE);
	sys6(SYS_rt_sigprocmask, SETMASK, (long)&reach_call.signal_mask, 0, 8,
	     0, 0);
}

void reach_tell(struct slab_entry *entry)
{
	entry->code = (uint64_t)reach_enter;
	entry->stack = (uint64_t)(stack + sizeof(stack));
	entry->call = (uint64_t)&reach_call;
}

/*
 * The process is about to exit: let a tool that scans it have a last look.
 * It watches the recording at @path and is woken by a touch; it answers within
 * milliseconds, or it is gone.
 */
void reach_leave(struct slab_entry *entry, const char *path)
{
	uint64_t now = sys_clock_ns(CLOCK_MONOTONIC), since = now;
	struct timespec step = { .tv_nsec = LEAVE_STEP };

	if (!__atomic_load_n(&entry->scans, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&entry->leaving_ns, now, __ATOMIC_RELEASE);
	if (sys6(SYS_utimensat, AT_FDCWD, (long)path, 0, 0, 0, 0) < 0)
		return;
	while (now - since < LEAVE_NS &&
	       __atomic_load_n(&entry->leave, __ATOMIC_ACQUIRE) < since) {
		sys3(SYS_nanosleep, (long)&step, 0, 0);
		now = sys_clock_ns(CLOCK_MONOTONIC);
	}
}
