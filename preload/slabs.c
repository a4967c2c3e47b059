/*
 * slabs: pieces of the recording file, one owner thread each.
 *
 * Taken by one atomic add; reserved with fallocate before they are mapped, so
 * that a full disk is an error here and never SIGBUS in the server; unmapped
 * when full, so that they leave the server's RSS.  What a thread that ends
 * leaves half full goes to a pool and on to the next thread.
 */
#include "preload/internal.h"
#include "preload/sys.h"

#define KEEPER_PATIENCE_NS 5000000000ULL

/* Half-filled slabs of ended threads: slab numbers, one word, tagged. */
static uint64_t spare[64]; /* slab number + 1; 0 is empty */

/*
 * At the cap: wait for nobody.  With a strandline process at work space comes
 * back and only what happens meanwhile is dropped; without one it ends here.
 */
static bool under_cap(void)
{
	struct slab_file *f = shim.file;
	uint64_t taken = __atomic_load_n(&f->slabs_taken, __ATOMIC_RELAXED);
	uint64_t back = __atomic_load_n(&f->slabs_given_back, __ATOMIC_RELAXED);
	uint64_t keeper;

	if (taken - back < f->control.slabs_max)
		return true;
	keeper = __atomic_load_n(&f->control.keeper_ns, __ATOMIC_RELAXED);
	if (sys_clock_ns(CLOCK_MONOTONIC) - keeper > KEEPER_PATIENCE_NS)
		__atomic_store_n(&f->control.state, SLAB_STOPPED,
				 __ATOMIC_RELAXED);
	return false;
}

static struct slab_head *slab_map(uint64_t number)
{
	return sys_mmap(SLAB_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, shim.fd,
			(long)slab_offset(number));
}

static uint32_t clock_busy; /* slab_refresh_clock: the others pass by */

/*
 * A second (time, ticks) pair, so that readers know the ticks' length.  One
 * thread at a time, or the two would be of different instants.
 */
void slab_refresh_clock(void)
{
	if (__atomic_exchange_n(&clock_busy, 1, __ATOMIC_ACQUIRE))
		return;
	__atomic_store_n(&shim.file->later_ticks, ticks_now(),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&shim.file->later_monotonic_ns,
			 sys_clock_ns(CLOCK_MONOTONIC), __ATOMIC_RELAXED);
	__atomic_store_n(&clock_busy, 0, __ATOMIC_RELEASE);
}

struct slab_head *slab_take(enum slab_kind kind, uint64_t seq, int tid,
			    uint64_t ticks, uint32_t *number)
{
	struct slab_head *head;
	uint64_t n;

	if (!under_cap() || !descriptor_ready())
		return NULL;
	n = __atomic_fetch_add(&shim.file->slabs_taken, 1, __ATOMIC_RELAXED);
	if (sys_fallocate(shim.fd, (long)slab_offset(n), SLAB_SIZE) < 0)
		goto give_back;
	head = slab_map(n);
	if (!head)
		goto give_back;
	head->kind = kind;
	head->seq = kind == SLAB_NODES ? seq : n;
	head->tid = tid;
	head->first_ticks = ticks;
	__atomic_store_n(&head->magic, SLAB_MAGIC, __ATOMIC_RELEASE);
	__atomic_fetch_add(&shim.file->stats.slab_bytes, SLAB_SIZE,
			   __ATOMIC_RELAXED);
	slab_refresh_clock();
	*number = (uint32_t)n;
	return head;

give_back: /* the number stays a hole, but is not charged to the cap */
	__atomic_fetch_add(&shim.file->slabs_given_back, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void slab_unmap(struct slab_head *head)
{
	sys_munmap(head, SLAB_SIZE);
	__atomic_fetch_sub(&shim.file->stats.slab_bytes, SLAB_SIZE,
			   __ATOMIC_RELAXED);
}

static void pen_seal(struct thread_state *ts)
{
	__atomic_store_n(&ts->pen.head->sealed, 1, __ATOMIC_RELEASE);
	slab_unmap(ts->pen.head);
	ts->pen = (struct slab_pen) { 0 };
}

static void pen_set(struct thread_state *ts, struct slab_head *head,
		    uint32_t number)
{
	ts->pen.head = head;
	ts->pen.number = number;
	ts->pen.at = (uint8_t *)(head + 1) + head->used;
	ts->pen.end = (uint8_t *)head + SLAB_SIZE - RECORD_MAX_SIZE;
}

static void put_thread(struct thread_state *ts, uint64_t ticks)
{
	uint8_t *at = ts->pen.at;

	*at++ = RECORD_THREAD;
	at = record_put(at, (uint64_t)ts->tid);
	at = record_put(at, record_zigzag((int64_t)(ticks - ts->pen.ticks)));
	ts->pen.ticks = ticks;
	*at++ = RECORD_NAME;
	sys3(SYS_prctl, 16 /* PR_GET_NAME */, (long)at, 0);
	pen_commit(ts, at + 16);
}

/*
 * Where a slab was left off stands in its own last 32 bytes, which records
 * never reach (see RECORD_MAX_SIZE): the delta bases of its next record.
 */
static uint64_t *slab_leftover(struct slab_head *head)
{
	return (uint64_t *)((uint8_t *)head + SLAB_SIZE - 32);
}

static bool pen_from_spare(struct thread_state *ts)
{
	for (int i = 0; i < 64; i++) {
		uint64_t n = __atomic_load_n(&spare[i], __ATOMIC_RELAXED);
		struct slab_head *head;
		uint64_t *left;

		if (!n || !__atomic_compare_exchange_n(&spare[i], &n, 0, false,
						       __ATOMIC_ACQUIRE,
						       __ATOMIC_RELAXED))
			continue;
		head = descriptor_ready() ? slab_map(n - 1) : NULL;
		if (!head)
			return false;
		__atomic_fetch_add(&shim.file->stats.slab_bytes, SLAB_SIZE,
				   __ATOMIC_RELAXED);
		left = slab_leftover(head);
		ts->pen.ticks = left[0];
		ts->pen.addr = left[1];
		ts->pen.mean = left[2];
		left[0] = left[1] = left[2] = 0;
		pen_set(ts, head, (uint32_t)(n - 1));
		return true;
	}
	return false;
}

/* Give the thread a slab with room; false: dropped and counted. */
COLD bool pen_begin(struct thread_state *ts, uint64_t ticks)
{
	struct slab_head *head = NULL;
	uint32_t number = 0;

	if (ts->pen.head)
		pen_seal(ts);
	else if (pen_from_spare(ts))
		goto begun;
	if (ts->retry_ticks <= ticks)
		head = slab_take(SLAB_EVENTS, 0, ts->tid, ticks, &number);
	if (!head) {
		if (ts->retry_ticks <= ticks)
			ts->retry_ticks = ticks + shim.second_ticks / 10;
		shim_drop(shim.file->control.state == SLAB_STOPPED
				  ? DROP_AFTER_STOP
				  : DROP_NO_SLAB);
		return false;
	}
	ts->pen.ticks = ticks;
	pen_set(ts, head, number);
begun:
	put_thread(ts, ticks);
	return true;
}

static bool spare_keep(uint64_t number)
{
	for (int i = 0; i < 64; i++) {
		uint64_t none = 0;

		if (__atomic_compare_exchange_n(&spare[i], &none, number + 1,
						false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* The thread ends: its slab goes to whoever comes next, or is sealed. */
void pen_release(struct thread_state *ts)
{
	uint64_t *left;

	if (!ts->pen.head)
		return;
	if (ts->pen.at < ts->pen.end - 1024) {
		left = slab_leftover(ts->pen.head);
		left[0] = ts->pen.ticks;
		left[1] = ts->pen.addr;
		left[2] = ts->pen.mean;
		if (spare_keep(ts->pen.number)) {
			slab_unmap(ts->pen.head);
			ts->pen = (struct slab_pen) { 0 };
			return;
		}
		left[0] = left[1] = left[2] = 0;
	}
	pen_seal(ts);
}

void slabs_fork_child(void)
{
	for (int i = 0; i < 64; i++)
		spare[i] = 0;
	clock_busy = 0;
}
