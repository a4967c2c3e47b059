/*
 * dump_locks: what a thread that waits on a futex waits for, and who has it.
 *
 * A futex is only an address; which kind of lock it belongs to shows in the
 * functions that lead there.  glibc writes the owner's number into a mutex,
 * two words behind the word that is waited on, and clears a thread's number
 * when it ends, which is what a join waits for.  Threads that wait for one
 * another in a circle will wait for ever.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "profiler/cmd/dump.h"
#include "profiler/proc/remote.h"

#define FRAMES_LOOKED_AT 8
#define OWNER_OFFSET	 8 /* of a pthread_mutex_t's __owner */

enum lock {
	LOCK_OTHER,
	LOCK_MUTEX,
	LOCK_CONDITION,
	LOCK_SEMAPHORE,
	LOCK_JOIN,
	LOCK_READ_WRITE,
	LOCK_GIL,
	LOCK_PYTHON,
};

static const struct lock_function {
	const char *part; /* of the function's name */
	enum lock lock;
} functions[] = {
	/* What is farther out says more: the GIL is a condition. */
	{ "take_gil", LOCK_GIL },
	/* They call it; a stripped interpreter has their names only. */
	{ "PyEval_RestoreThread", LOCK_GIL },
	{ "PyEval_AcquireThread", LOCK_GIL },
	{ "PyThread_acquire_lock", LOCK_PYTHON },
	{ "pthread_rwlock_", LOCK_READ_WRITE },
	{ "pthread_cond_", LOCK_CONDITION },
	{ "pthread_mutex_", LOCK_MUTEX },
	{ "mtx_lock", LOCK_MUTEX },
	{ "lll_lock_wait", LOCK_MUTEX },
	{ "sem_wait", LOCK_SEMAPHORE },
	{ "sem_clockwait", LOCK_SEMAPHORE },
	{ "sem_timedwait", LOCK_SEMAPHORE },
	{ "new_sem_wait", LOCK_SEMAPHORE },
	{ "pthread_clockjoin", LOCK_JOIN },
	{ "pthread_timedjoin", LOCK_JOIN },
	{ "pthread_join", LOCK_JOIN },
};

static const char *const lock_names[] = {
	[LOCK_MUTEX] = "a mutex (futex)",
	[LOCK_CONDITION] = "a condition (futex)",
	[LOCK_SEMAPHORE] = "a semaphore (futex)",
	[LOCK_JOIN] = "the end of a thread (futex)",
	[LOCK_READ_WRITE] = "a read-write lock (futex)",
	[LOCK_GIL] = "Python's global interpreter lock (futex)",
	[LOCK_PYTHON] = "a lock of Python (futex)",
};

static enum lock lock_of(const struct dump_thread *t)
{
	size_t count = t->frames.count;
	const size_t kinds = sizeof(functions) / sizeof(functions[0]);

	if (count > FRAMES_LOOKED_AT)
		count = FRAMES_LOOKED_AT;
	for (size_t k = 0; k < kinds; k++)
		for (size_t i = 0; i < count; i++)
			if (strstr(t->frames.at[i].frame.function,
				   functions[k].part))
				return functions[k].lock;
	return LOCK_OTHER;
}

static struct dump_thread *by_own_number(struct dump *d, uint32_t own)
{
	struct dump_thread *t;

	vec_foreach (&d->threads, t)
		if ((uint32_t)t->own_tid == own)
			return t;
	return NULL;
}

static void find_holder(struct dump *d, struct dump_thread *t, enum lock lock,
			const struct remote *there)
{
	uint64_t at = t->futex + (lock == LOCK_MUTEX ? OWNER_OFFSET : 0);
	const struct dump_thread *holder;
	uint32_t own;

	if (lock != LOCK_MUTEX && lock != LOCK_JOIN)
		return;
	if (remote_read(there, at, &own, sizeof(own)) < 0)
		return;
	holder = by_own_number(d, own);
	if (!holder || holder == t)
		return;
	t->holder = holder->tid;
	if (lock == LOCK_JOIN)
		t->waits = "the end (futex)";
}

static struct dump_thread *by_number(struct dump *d, pid_t tid)
{
	struct dump_thread *t;

	vec_foreach (&d->threads, t)
		if (t->tid == tid)
			return t;
	return NULL;
}

static int add_number(struct dump *d, pid_t tid)
{
	pid_t *slot = vec_push(&d->deadlocks);

	if (!slot)
		return -ENOMEM;
	*slot = tid;
	return 0;
}

/* Is the circle that @t is in told by its lowest number, and is that @t? */
static bool leads_circle(struct dump *d, const struct dump_thread *t)
{
	const struct dump_thread *at = t;

	for (size_t i = 0; i < d->threads.count && at && at->holder; i++) {
		if (at->holder == t->tid)
			return true;
		if (at->holder < t->tid)
			return false;
		at = by_number(d, at->holder);
	}
	return false;
}

static int add_circle(struct dump *d, const struct dump_thread *t)
{
	const struct dump_thread *at = t;
	int rc;

	do {
		rc = add_number(d, at->tid);
		at = by_number(d, at->holder);
	} while (rc == 0 && at && at != t);
	return rc < 0 ? rc : add_number(d, 0);
}

int dump_find_locks(struct dump *d, const struct remote *there)
{
	struct dump_thread *t;
	int rc = 0;

	vec_foreach (&d->threads, t) {
		enum lock lock = t->futex ? lock_of(t) : LOCK_OTHER;

		if (lock == LOCK_OTHER)
			continue;
		t->waits = lock_names[lock];
		find_holder(d, t, lock, there);
	}
	vec_foreach (&d->threads, t)
		if (rc == 0 && leads_circle(d, t))
			rc = add_circle(d, t);
	return rc;
}
