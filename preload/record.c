/*
 * record: turn one event of this thread into bytes in its slab.
 *
 * The slow path of every hook: in sample mode about a thousand times a second
 * in all, in exact mode every time.  No libc call, no lock, no system call
 * except when a slab is full.
 */
#include "preload/internal.h"
#include "preload/interpreter.h"
#include "preload/late.h"
#include "preload/pyobjects.h"
#include "preload/python.h"
#include "preload/sys.h"

/*
 * This thread's state if it may record now, marked busy; else NULL.  A signal
 * handler, or a call from our own code, finds it busy.
 */
struct thread_state *record_enter(void)
{
	struct thread_state *ts = self.state;

	if (unlikely(!shim.file))
		return NULL;
	if (unlikely(*shim.fork_canary != FORK_CANARY))
		fork_child();
	if (unlikely(self.epoch != shim.epoch)) {
		self.epoch = shim.epoch;
		self.context = (struct request_context) { 0 };
		self.state = ts = NULL;
	}
	if (unlikely(!ts)) {
		ts = thread_begin();
		if (!ts)
			return NULL;
	}
	if (unlikely(ts->busy)) {
		shim_drop(DROP_REENTRANT);
		return NULL;
	}
	ts->busy = true;
	/* A signal handler must see it set before anything else changes. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	/* Pairs with the membarrier of late.c: it sees us busy, or we this. */
	if (unlikely(__atomic_load_n(&shim.closed, __ATOMIC_RELAXED))) {
		ts->busy = false;
		return NULL;
	}
	return ts;
}

void record_leave(struct thread_state *ts)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread_done(ts);
}

bool record_wanted(void)
{
	uint32_t state =
		__atomic_load_n(&shim.file->control.state, __ATOMIC_RELAXED);

	if (likely(state == SLAB_RECORDING))
		return true;
	if (state == SLAB_STOPPED)
		shim_drop(DROP_AFTER_STOP);
	return false;
}

static inline uint8_t *put_addr(struct thread_state *ts, uint8_t *at,
				uint64_t addr)
{
	int64_t by = (int64_t)(addr >> 3) - (int64_t)ts->pen.addr;

	ts->pen.addr = addr >> 3;
	return record_put(at, record_zigzag(by));
}

static inline uint8_t *put_mean(struct thread_state *ts, uint8_t *at)
{
	uint64_t mean = shim.mode == SLAB_MODE_SAMPLE ? ts->mean : 0;

	if (likely(mean == ts->pen.mean))
		return at;
	ts->pen.mean = mean;
	*at++ = RECORD_MEAN;
	return record_put(at, mean);
}

/* Whose request the ALLOC that follows is for, where that has changed. */
static inline uint8_t *put_context(struct thread_state *ts, uint8_t *at,
				   uint64_t ticks)
{
	uint32_t route = self.context.route;

	if (likely(route == ts->route))
		return at;
	ts->route = route;
	*at++ = RECORD_CONTEXT;
	at = record_put(at, route);
	return record_put_ticks(ts, at, ticks);
}

/* Set when space is taken; here it is looked at until there is more again. */
static bool scarce(void)
{
	if (likely(!__atomic_load_n(&shim.scarce, __ATOMIC_RELAXED)))
		return false;
	if (quota_scarce(shim.quota))
		return true;
	__atomic_store_n(&shim.scarce, false, __ATOMIC_RELAXED);
	return false;
}

static void put_alloc(struct thread_state *ts, uint64_t addr, size_t size,
		      unsigned tag, uint64_t ticks,
		      const struct stack_regs *regs)
{
	uint32_t node = nodes_of_stack(ts, regs);
	uint8_t *at = pen_room(ts, ticks);

	if (unlikely(!at)) {
		if (shim.mode == SLAB_MODE_SAMPLE && (tag & 15) != RECORD_MAP)
			sampled_remove(addr);
		return;
	}
	at = put_mean(ts, at);
	at = put_context(ts, at, ticks);
	*at++ = (uint8_t)tag;
	at = record_put(at, node);
	at = record_put(at, size);
	at = put_addr(ts, at, addr);
	pen_commit(ts, record_put_ticks(ts, at, ticks));
}

static void put_simple(struct thread_state *ts, enum record_type type,
		       uint64_t addr, uint64_t ticks)
{
	uint8_t *at = pen_room(ts, ticks);

	if (unlikely(!at))
		return;
	*at++ = (uint8_t)type;
	at = put_addr(ts, at, addr);
	pen_commit(ts, record_put_ticks(ts, at, ticks));
}

static void account(uint64_t since)
{
	uint64_t now = ticks_now();

	__atomic_fetch_add(&shim.file->stats.ticks_spent, now - since,
			   __ATOMIC_RELAXED);
	if (unlikely(now - shim.allocator_ticks > shim.second_ticks)) {
		allocator_refresh();
		if (unlikely(shim.late))
			late_look();
		pyobjects_refresh();
		python_refresh();
	} else if (unlikely(interpreter_may_be_new())) {
		pyobjects_refresh();
		python_refresh();
	}
}

static void exact_alloc(struct thread_state *ts, void *p, size_t size,
			unsigned api, const struct stack_regs *regs)
{
	uint64_t ticks = ticks_now();

	if (unlikely(scarce())) {
		shim_drop(DROP_NO_SLAB);
		return;
	}
	put_alloc(ts, (uint64_t)p, size, RECORD_ALLOC | api << 4, ticks, regs);
	if (unlikely(brk_moved()))
		brk_note(ts, ts->last_node);
	if (unlikely((++ts->events & EXACT_TIMED_MASK) == 0))
		account(ticks);
}

static void sampled_alloc(struct thread_state *ts, void *p, size_t size,
			  unsigned api, const struct stack_regs *regs)
{
	uint64_t ticks = ticks_now();

	sampled_maintain();
	if (!sampled_insert((uint64_t)p)) {
		shim_drop(DROP_SAMPLED_FULL);
		return;
	}
	put_alloc(ts, (uint64_t)p, size, RECORD_ALLOC | api << 4, ticks, regs);
	if (unlikely(brk_moved()))
		brk_note(ts, ts->last_node);
	sample_taken(ticks);
	account(ticks);
}

/*
 * Called by alloc_slow() when the thread's credit is spent; in exact mode it
 * always is.  A thread's first credit is 0, so its first allocation comes
 * here, draws one and asks again.
 */
__attribute__((used, visibility("hidden"))) void *record_alloc(
	void *p, size_t size, unsigned api, const struct stack_regs *regs)
{
	struct thread_state *ts;

	if (unlikely(!shim.started))
		shim_start();
	ts = record_enter();
	if (unlikely(!ts)) {
		if (unlikely(shim.idle))
			late_answer();
		self.credit = shim.late	  ? LATE_CREDIT
			      : shim.file ? 0
					  : INT64_MAX;
		return p;
	}
	if (likely(shim.mode == SLAB_MODE_EXACT)) {
		self.credit = 0;
		if (likely(record_wanted()))
			exact_alloc(ts, p, size, api, regs);
		else
			brk_pass();
		goto out;
	}
	if (unlikely(!ts->mean)) { /* none was drawn for this thread yet */
		self.credit = sample_draw(ts) - (int64_t)size - SAMPLE_CONSTANT;
		if (self.credit >= 0)
			goto out;
	}
	if (ts->mean && record_wanted())
		sampled_alloc(ts, p, size, api, regs);
	else
		brk_pass();
	self.credit = sample_draw(ts);
out:
	record_leave(ts);
	return p;
}

bool record_in_vfork(void)
{
	return shim.file && sys_getpid() != shim.file->pid;
}

struct thread_state *record_enter_wanted(void)
{
	struct thread_state *ts;

	if (unlikely(!shim.started))
		shim_start();
	ts = record_enter();
	if (ts && !record_wanted()) {
		record_leave(ts);
		return NULL;
	}
	return ts;
}

void record_put_change(struct thread_state *ts, enum record_type type,
		       uint32_t node, int64_t by)
{
	uint64_t ticks = ticks_now();
	uint8_t *at = pen_room(ts, ticks);

	if (!at)
		return;
	*at++ = (uint8_t)type;
	at = record_put(at, node);
	at = record_put(at, record_zigzag(by));
	pen_commit(ts, record_put_ticks(ts, at, ticks));
}

/* Before the real free: afterwards another thread may own the address. */
bool record_release(void *p)
{
	struct thread_state *ts;

	if (!p || self.credit >= MUTED ||
	    (shim.mode == SLAB_MODE_SAMPLE && !sampled_remove((uint64_t)p)))
		return false;
	ts = record_enter_wanted();
	if (!ts)
		return false;
	put_simple(ts, RECORD_FREE, (uint64_t)p, ticks_now());
	record_leave(ts);
	return true;
}

/* realloc failed: the block that was recorded as released lives on. */
void record_unrelease(void *p)
{
	struct thread_state *ts = record_enter_wanted();

	if (!ts)
		return;
	if (shim.mode == SLAB_MODE_SAMPLE)
		sampled_insert((uint64_t)p);
	put_simple(ts, RECORD_UNFREE, (uint64_t)p, ticks_now());
	record_leave(ts);
}

__attribute__((used, visibility("hidden"))) void record_map(
	void *at, size_t size, unsigned zero, const struct stack_regs *regs)
{
	struct thread_state *ts = record_enter_wanted();

	(void)zero;
	if (!ts)
		return;
	put_alloc(ts, (uint64_t)at, size,
		  RECORD_MAP | (self.arena ? API_PYTHON_OBJECT << 4 : 0),
		  ticks_now(), regs);
	record_leave(ts);
}

void record_unmap(void *addr, size_t size)
{
	struct thread_state *ts = record_enter_wanted();
	uint64_t ticks;
	uint8_t *at;

	if (!ts)
		return;
	ticks = ticks_now();
	at = pen_room(ts, ticks);
	if (at) {
		*at++ = RECORD_UNMAP;
		at = record_put(at, size);
		at = put_addr(ts, at, (uint64_t)addr);
		pen_commit(ts, record_put_ticks(ts, at, ticks));
	}
	record_leave(ts);
}
