/*
 * thread: the state of each thread that records, from a pool.
 *
 * A thread gets a state at its first event and gives it back in the
 * destructor of a pthread key.  Destructors of other keys may run after ours
 * and free memory: such an event borrows a state and returns it at once.
 *
 * Stack bounds come from the kernel's map of our address space, asked when
 * the stack pointer is somewhere new (a new thread, a signal stack, a
 * coroutine): pthread_getattr_np would take a lock its caller may hold.
 */
#include "preload/internal.h"
#include "preload/maps.h"
#include "preload/sys.h"

__thread struct thread_local_state self
	__attribute__((tls_model("initial-exec")));

static uint64_t pool; /* struct thread_state *, tag in the top 16 bits */
static struct thread_state *all; /* those that were ever made; release */
static uint32_t beginning;	 /* threads inside thread_begin() */
static unsigned key;
static bool have_key;
static int (*key_set)(unsigned key, const void *value);

static struct thread_state *pool_pop(void)
{
	uint64_t head = __atomic_load_n(&pool, __ATOMIC_ACQUIRE);
	struct thread_state *ts;

	do {
		ts = (struct thread_state *)(head & 0xffffffffffffULL);
		if (!ts)
			return NULL;
		/* States are never unmapped: reading a stale one is safe. */
	} while (!__atomic_compare_exchange_n(
		&pool, &head,
		(uint64_t)__atomic_load_n(&ts->next, __ATOMIC_RELAXED) |
			((head >> 48) + 1) << 48,
		true, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
	return ts;
}

static void pool_push(struct thread_state *ts)
{
	uint64_t head = __atomic_load_n(&pool, __ATOMIC_RELAXED);

	do {
		__atomic_store_n(&ts->next,
				 (struct thread_state *)(head &
							 0xffffffffffffULL),
				 __ATOMIC_RELAXED);
	} while (!__atomic_compare_exchange_n(
		&pool, &head, (uint64_t)ts | ((head >> 48) + 1) << 48, true,
		__ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static struct thread_state *state_new(void)
{
	struct thread_state *ts = shim_memory(SHIM_STATE_SIZE);

	_Static_assert(sizeof(struct thread_state) <= SHIM_STATE_KEPT,
		       "stack follows");
	if (!ts)
		return NULL;
	if (SHIM_STATE_KEPT + stack_size() > SHIM_STATE_SIZE)
		__builtin_trap();
	ts->stack = stack_init((char *)ts + SHIM_STATE_KEPT);
	ts->all = __atomic_load_n(&all, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&all, &ts->all, ts, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return ts;
}

static struct thread_state *state_get(void)
{
	struct thread_state *ts = pool_pop();

	if (!ts)
		ts = state_new();
	if (!ts)
		shim_drop(DROP_THREAD_STATE);
	return ts;
}

static struct thread_state *state_begin(void)
{
	struct thread_state *ts = state_get();

	if (!ts)
		return NULL;
	ts->tid = sys_gettid();
	ts->bounds = (struct stack_bounds) { .low = 0 };
	ts->random = (shim.seed + (uint64_t)(ts->tid - shim.seed_pid) *
					  0x9e3779b97f4a7c15ULL) |
		     1;
	for (int i = 0; i < 4; i++) /* spread a poor seed over all bits */
		ts->random =
			ts->random * 0xd6e8feb86659fd93ULL ^ ts->random >> 29;
	ts->random |= 1;
	ts->busy = false;
	ts->route = 0;
	ts->span = 0;
	ts->mean = 0;
	ts->retry_ticks = 0;
	stack_forget(ts->stack);
	__atomic_fetch_add(&shim.file->stats.threads, 1, __ATOMIC_RELAXED);
	self.state = ts;
	if (have_key && !self.leaving) {
		ts->busy = true; /* it may allocate, in an odd libc */
		key_set(key, ts);
		ts->busy = false;
	}
	return ts;
}

COLD struct thread_state *thread_begin(void)
{
	struct thread_state *ts = NULL;

	__atomic_fetch_add(&beginning, 1, __ATOMIC_SEQ_CST);
	if (shim.file && !__atomic_load_n(&shim.closed, __ATOMIC_SEQ_CST))
		ts = state_begin();
	__atomic_fetch_sub(&beginning, 1, __ATOMIC_RELEASE);
	return ts;
}

static void thread_leave(struct thread_state *ts)
{
	uint64_t ticks = ticks_now();
	uint8_t *at;

	ts->busy = true;
	at = ts->pen.head ? pen_room(ts, ticks) : NULL;
	if (at) {
		*at++ = RECORD_NAME;
		sys3(SYS_prctl, 16 /* PR_GET_NAME */, (long)at, 0);
		at += 16;
		*at++ = RECORD_EXIT;
		at = record_put(at, record_zigzag(
					    (int64_t)(ticks - ts->pen.ticks)));
		ts->pen.ticks = ticks;
		pen_commit(ts, at);
	}
	pen_release(ts);
	self.state = NULL;
	ts->busy = false;
	pool_push(ts);
}

/* The key's destructor: the thread is on its way out. */
static void thread_exit(void *value)
{
	struct thread_state *ts = value;

	self.leaving = true;
	if (ts && ts == self.state && self.epoch == shim.epoch && shim.file) {
		ts->busy = true;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&shim.closed, __ATOMIC_RELAXED))
			thread_leave(ts);
		else
			ts->busy = false;
	}
}

void thread_done(struct thread_state *ts)
{
	ts->busy = false;
	if (unlikely(self.leaving))
		thread_leave(ts);
}

/* Learn the bounds of the stack that @sp is on; false when there is none. */
COLD bool thread_bounds(struct thread_state *ts, uint64_t sp)
{
	struct maps_line line;

	if (!maps_find(sp, &line))
		return false;
	/* The main stack grows downwards after we looked. */
	ts->bounds.low = line.grows_down && line.start > 64u << 20
				 ? line.start - (64u << 20)
				 : line.start;
	ts->bounds.high = line.end;
	return true;
}

void thread_start(void)
{
	int (*create)(unsigned *, void (*)(void *)) =
		real_symbol("pthread_key_create");

	if (have_key)
		return;
	key_set = real_symbol("pthread_setspecific");
	have_key = create && key_set && create(&key, thread_exit) == 0;
}

bool thread_all_quiet(const struct thread_state *but)
{
	const struct thread_state *ts = __atomic_load_n(&all, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&beginning, __ATOMIC_ACQUIRE))
		return false;
	for (; ts; ts = ts->all)
		if (ts != but && __atomic_load_n(&ts->busy, __ATOMIC_ACQUIRE))
			return false;
	return true;
}

/* Threads that hold one of these know by the epoch that it is not theirs. */
void thread_end_epoch(void)
{
	pool = 0;
	for (struct thread_state *ts = all; ts; ts = ts->all) {
		if (ts->pen.head)
			pen_seal(ts);
		for (int i = 0; i < 1024; i++)
			ts->memo_hash[i] = 0;
		ts->last_node = 0;
		ts->last_python = 0;
		ts->events = 0;
		stack_init((char *)ts + SHIM_STATE_KEPT);
		pool_push(ts);
	}
}

/* Only the forking thread lives on; its slab belongs to the parent. */
void thread_fork_child(void)
{
	struct thread_state *ts = self.state;

	pool = 0;
	beginning = 0;
	if (all)
		all = ts;
	if (ts)
		ts->all = NULL;
	if (!ts)
		return;
	ts->pen = (struct slab_pen) { 0 };
	ts->tid = sys_gettid();
	ts->retry_ticks = 0;
	ts->events = 0;
	ts->route = 0;
	ts->span = 0;
	for (int i = 0; i < 1024; i++)
		ts->memo_hash[i] = 0;
	ts->last_node = 0;
	stack_forget(ts->stack);
}
