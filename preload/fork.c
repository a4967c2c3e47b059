/*
 * fork: a child records into a file of its own.
 *
 * Seen twice: by an atfork handler (the usual way), and on the slow path by a
 * page that the kernel wipes in a child (clone without atfork).  The handler
 * opens the child's file at once, while the child still has the privilege
 * and the root directory for it.  Nothing of the shim holds a lock across
 * fork, so there is nothing to prepare in the parent.
 */
#include "preload/internal.h"
#include "preload/interpreter.h"
#include "preload/late.h"
#include "preload/openers.h"
#include "preload/pyobjects.h"
#include "preload/python.h"
#include "preload/requests.h"
#include "preload/spans.h"
#include "preload/sys.h"

static uint32_t *canary;

/* Which blocks were alive at the fork is unknown to the child's file. */
void fork_child(void)
{
	if (!canary || *canary == FORK_CANARY)
		return;
	*canary = FORK_CANARY;
	late_fork();
	interpreter_fork_child();
	if (!shim.file) { /* it may be asked to record, though */
		thread_fork_child();
		return;
	}
	sys_munmap(shim.file, SLAB_FILE_HEADER_SIZE);
	shim.file = NULL;
	descriptor_forget();
	slabs_fork_child();
	thread_fork_child();
	nodes_fork_child();
	sampled_clear();
	requests_fork_child();
	spans_fork_child();
	openers_fork_child();
	brk_fork_child();
	if (shim.follow)
		shim_begin_file(true);
	if (shim.file) {
		modules_fork_child();
		pyobjects_fork_child();
		python_begin();
	} else if (shim.late) {
		late_fork_child();
	}
}

static void atfork_child(void)
{
	struct thread_state *ts = self.state;

	if (ts)
		ts->busy = true;
	fork_child();
	if (ts)
		ts->busy = false;
}

void fork_start(void)
{
	extern void *__dso_handle;
	int (*atfork)(void (*)(void), void (*)(void), void (*)(void), void *) =
		real_symbol("__register_atfork");

	if (canary)
		return;
	canary = shim_memory(4096);
	if (!canary) {
		shim.on = false;
		return;
	}
	sys_madvise(canary, 4096, 18 /* MADV_WIPEONFORK, Linux 4.14 */);
	*canary = FORK_CANARY;
	shim.fork_canary = canary;
	if (atfork)
		atfork(NULL, NULL, atfork_child, &__dso_handle);
}
