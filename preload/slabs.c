/*
 * slabs: pieces of the recording file, one owner thread each.
 *
 * Taken by one atomic add; reserved with fallocate before they are mapped, so
 * that a full disk is an error here and never SIGBUS in the server; unmapped
 * when full, so that they leave the server's RSS.  What a thread that ends
 * leaves half full goes to a pool and on to the next thread.  A first slab is
 * reserved in steps: a short-lived child takes 20 KiB and not 200.
 */
#include "preload/internal.h"
#include "preload/sys.h"

#define KEEPER_PATIENCE_NS 5000000000ULL
#define LEFT_OVER	   1024 /* less than this is not worth passing on */

/* Half-filled slabs of ended threads: slab numbers, one word, tagged. */
static uint64_t spare[64]; /* slab number + 1; 0 is empty */

/*
 * At the cap: wait for nobody.  With a strandline process at work space comes
 * back and only what happens meanwhile is dropped; without one it ends here.
 */
COLD static void at_cap(void)
{
	struct slab_control *c = &shim.file->control;
	uint64_t keeper = __atomic_load_n(&c->keeper_ns, __ATOMIC_RELAXED);

	if (sys_clock_ns(CLOCK_MONOTONIC) - keeper > KEEPER_PATIENCE_NS)
		__atomic_store_n(&c->state, SLAB_STOPPED, __ATOMIC_RELAXED);
}

static bool within_cap(uint64_t bytes, enum slab_kind kind)
{
	struct slab_file *f = shim.file;
	uint64_t taken, back;
	bool ok;

	if (shim.quota) {
		ok = quota_take(shim.quota, bytes, kind == SLAB_EVENTS);
		__atomic_store_n(&shim.scarce, quota_scarce(shim.quota),
				 __ATOMIC_RELAXED);
	} else {
		taken = __atomic_load_n(&f->slabs_taken, __ATOMIC_RELAXED);
		back = __atomic_load_n(&f->slabs_given_back, __ATOMIC_RELAXED);
		ok = taken - back <= f->control.slabs_max;
	}
	if (!ok)
		at_cap();
	return ok;
}

static void uncharge(uint64_t bytes)
{
	if (shim.quota)
		quota_return(shim.quota, bytes);
}

/*
 * Space in the file for bytes @from to @to of slab @number: on the disk, so
 * that writing them never raises SIGBUS, and below the limit on the size of
 * files, where growing one would raise SIGXFSZ.
 */
static bool reserve(uint64_t number, uint32_t from, uint32_t to)
{
	uint64_t end = slab_offset(number) + to;

	return end <= sys_file_size_limit() &&
	       sys_fallocate(shim.fd, (long)(end - to + from), to - from) >= 0;
}

static bool charge(uint32_t bytes, enum slab_kind kind)
{
	if (!within_cap(bytes, kind))
		return false;
	if (descriptor_ready())
		return true;
	uncharge(bytes);
	return false;
}

/* Threads may extend one slab (of nodes) at once: one of them is charged. */
bool slab_extend(struct slab_head *head, uint64_t number, uint32_t need)
{
	uint32_t room = __atomic_load_n(&head->room, __ATOMIC_ACQUIRE);

	while (room < need) {
		uint32_t by = room;

		if (room < SLAB_STEP || room + by > SLAB_SIZE ||
		    !charge(by, head->kind))
			return false;
		if (!reserve(number, room, room + by)) {
			uncharge(by);
			return false;
		}
		if (__atomic_compare_exchange_n(&head->room, &room, room + by,
						false, __ATOMIC_RELEASE,
						__ATOMIC_ACQUIRE))
			room += by;
		else
			uncharge(by);
	}
	return true;
}

/*
 * Zeros in the page cache, where the slab's first bytes will be: what is
 * reserved only, a fault would have to make out on the disk and read (ext4: 7
 * us a page; so, 1.4 us).  Nobody has written to it yet.
 */
static void fill(uint64_t number)
{
	static uint8_t zeros[SLAB_SIZE]; /* never touched: no memory */

	sys_pwrite(shim.fd, zeros, SLAB_SIZE, (long)slab_offset(number));
}

/* Whole slabs at once: a page fault costs more than the page. */
static struct slab_head *slab_map(uint64_t number, bool whole)
{
	return sys_mmap(SLAB_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | (whole ? MAP_POPULATE : 0), shim.fd,
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

/* The number is free again, or a hole that is not charged to the cap. */
static void put_back(uint64_t number)
{
	uint64_t next = number + 1;

	if (!__atomic_compare_exchange_n(&shim.file->slabs_taken, &next, number,
					 false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		__atomic_fetch_add(&shim.file->slabs_given_back, 1,
				   __ATOMIC_RELAXED);
}

struct slab_head *slab_take(enum slab_kind kind, uint64_t seq, int tid,
			    uint64_t ticks, uint32_t size, uint32_t *number)
{
	struct slab_head *head = NULL;
	uint64_t n;

	if (!charge(size, kind))
		return NULL;
	n = __atomic_fetch_add(&shim.file->slabs_taken, 1, __ATOMIC_RELAXED);
	if (reserve(n, 0, size)) {
		if (size == SLAB_SIZE)
			fill(n);
		head = slab_map(n, size == SLAB_SIZE);
	}
	if (!head) {
		put_back(n);
		uncharge(size);
		return NULL;
	}
	head->kind = kind;
	head->seq = kind == SLAB_NODES ? seq : n;
	head->tid = tid;
	head->room = size;
	head->first_ticks = ticks;
	__atomic_store_n(&head->magic, SLAB_MAGIC, __ATOMIC_RELEASE);
	__atomic_fetch_add(&shim.file->stats.slab_bytes, SLAB_SIZE,
			   __ATOMIC_RELAXED);
	slab_refresh_clock();
	*number = (uint32_t)n;
	return head;
}

void slab_unmap(struct slab_head *head)
{
	sys_munmap(head, SLAB_SIZE);
	__atomic_fetch_sub(&shim.file->stats.slab_bytes, SLAB_SIZE,
			   __ATOMIC_RELAXED);
}

void pen_seal(struct thread_state *ts)
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
	ts->pen.end = (uint8_t *)head + head->room - RECORD_MAX_SIZE;
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

static bool pen_from_spare(struct thread_state *ts)
{
	for (int i = 0; i < 64; i++) {
		uint64_t n = __atomic_load_n(&spare[i], __ATOMIC_RELAXED);
		struct slab_head *head;

		if (!n || !__atomic_compare_exchange_n(&spare[i], &n, 0, false,
						       __ATOMIC_ACQUIRE,
						       __ATOMIC_RELAXED))
			continue;
		head = descriptor_ready() ? slab_map(n - 1, false) : NULL;
		if (!head)
			return false;
		__atomic_fetch_add(&shim.file->stats.slab_bytes, SLAB_SIZE,
				   __ATOMIC_RELAXED);
		ts->pen.ticks = head->own[0];
		ts->pen.addr = head->own[1];
		ts->pen.mean = head->own[2];
		pen_set(ts, head, (uint32_t)(n - 1));
		return true;
	}
	return false;
}

/* More of the slab at hand, at least @more bytes. */
static bool pen_extend(struct thread_state *ts, uint32_t more)
{
	struct slab_head *head = ts->pen.head;
	uint32_t need = (uint32_t)sizeof(*head) + head->used + more;

	if (!slab_extend(head, ts->pen.number, need))
		return false;
	pen_set(ts, head, ts->pen.number);
	return true;
}

static bool pen_take(struct thread_state *ts, uint64_t ticks)
{
	/* Most threads have little to say: those that go on get it whole. */
	uint32_t size = ts->pen.head ? SLAB_SIZE : SLAB_STEP, number;
	struct slab_head *head;

	head = slab_take(SLAB_EVENTS, 0, ts->tid, ticks, size, &number);
	if (!head)
		return false;
	if (ts->pen.head)
		pen_seal(ts);
	ts->pen.ticks = ticks;
	pen_set(ts, head, number);
	put_thread(ts, ticks);
	return true;
}

/* What another thread left, with room for whose it is now and a record. */
static bool pen_inherit(struct thread_state *ts, uint64_t ticks)
{
	if (!pen_from_spare(ts))
		return false;
	if (!pen_extend(ts, LEFT_OVER / 2)) {
		pen_seal(ts);
		return false;
	}
	put_thread(ts, ticks);
	return true;
}

/* Give the thread room for a record; false: dropped and counted. */
COLD bool pen_begin(struct thread_state *ts, uint64_t ticks)
{
	if (!ts->pen.head && pen_inherit(ts, ticks))
		return true;
	if (ts->retry_ticks <= ticks) {
		if (ts->pen.head && ts->pen.head->room < SLAB_SIZE
			    ? pen_extend(ts, RECORD_MAX_SIZE * 2)
			    : pen_take(ts, ticks))
			return true;
		ts->retry_ticks = ticks + shim.second_ticks / 10;
	}
	shim_drop(shim.file->control.state == SLAB_STOPPED ? DROP_AFTER_STOP
							   : DROP_NO_SLAB);
	return false;
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
	struct slab_head *head = ts->pen.head;

	if (!head)
		return;
	if (ts->pen.at < (uint8_t *)head + SLAB_SIZE - LEFT_OVER) {
		head->own[0] = ts->pen.ticks;
		head->own[1] = ts->pen.addr;
		head->own[2] = ts->pen.mean;
		if (spare_keep(ts->pen.number)) {
			slab_unmap(head);
			ts->pen = (struct slab_pen) { 0 };
			return;
		}
	}
	pen_seal(ts);
}

void slabs_fork_child(void)
{
	for (int i = 0; i < 64; i++)
		spare[i] = 0;
	clock_busy = 0;
}
