/*
 * arrival: see arrival.h.
 *
 * What a wait for events reports has come since the wait before returned; if
 * the wait had to sleep, it came at its end, else at a time between the two,
 * taken to be the middle.  It cannot have come before the last that happened
 * on its own connection.  A connection's first request may have waited long
 * for the server to accept it: there the kernel is asked when bytes came last,
 * which it knows by the millisecond.
 *
 * The thread that waits need not be the one that reads: tasks of tokio are
 * taken over by whoever is idle.  So waits on an epoll descriptor are
 * remembered by that, for all of its threads.  They write and read without a
 * lock: what is torn is an estimate like others.
 */
#include "preload/arrival.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "preload/sys.h"

#define LOOPS	      64u
#define KERNEL_MS_MIN 8u /* the kernel's clock ticks each 4 or 10 ms */

struct wait {
	uint64_t ended, before; /* the last two, ticks */
	bool slept;		/* the last one did */
};

static struct loop { /* an epoll descriptor's; of two in one place the later */
	uint64_t ended, before;
	int next_fd; /* 1 + the descriptor */
	bool slept;
} __attribute__((aligned(64))) loops[LOOPS];

static struct loop *loop_of(int epoll)
{
	return &loops[(unsigned)epoll % LOOPS];
}

static void remember(int epoll, const struct wait *w)
{
	struct loop *l = loop_of(epoll);
	bool ours = __atomic_load_n(&l->next_fd, __ATOMIC_RELAXED) == epoll + 1;
	uint64_t before = __atomic_load_n(&l->ended, __ATOMIC_RELAXED);

	__atomic_store_n(&l->next_fd, epoll + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&l->before, ours ? before : w->before,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&l->slept, w->slept, __ATOMIC_RELAXED);
	__atomic_store_n(&l->ended, w->ended, __ATOMIC_RELAXED);
}

void arrival_waited(int epoll, uint64_t since)
{
	struct request_context *c = &self.context;
	uint64_t now = ticks_now();

	c->ready_after = c->ready;
	c->ready = now;
	c->slept = arrival_slept(now - since);
	c->epoll = epoll;
	if (epoll >= 0)
		remember(epoll,
			 &(struct wait) { now, c->ready_after, c->slept });
}

/* The last that may have told this thread of what it reads. */
static struct wait last_wait(void)
{
	const struct request_context *c = &self.context;
	struct wait w = { c->ready, c->ready_after, c->slept };
	const struct loop *l;

	if (!c->ready || c->epoll < 0)
		return w;
	l = loop_of(c->epoll);
	if (__atomic_load_n(&l->next_fd, __ATOMIC_RELAXED) != c->epoll + 1)
		return w;
	w.ended = __atomic_load_n(&l->ended, __ATOMIC_RELAXED);
	w.before = __atomic_load_n(&l->before, __ATOMIC_RELAXED);
	w.slept = __atomic_load_n(&l->slept, __ATOMIC_RELAXED);
	return w;
}

/* When what that wait reported came, on a connection quiet since @quiet. */
static uint64_t between(const struct wait *w, uint64_t quiet)
{
	uint64_t from = w->before > quiet ? w->before : quiet;

	return w->slept || from > w->ended ? w->ended
					   : from + (w->ended - from) / 2;
}

/* Milliseconds since the kernel got bytes on @fd; 0: not worth a word. */
static uint64_t kernel_age_ms(int fd)
{
	uint32_t info[64]; /* struct tcp_info, of any kernel */
	int size = sizeof(info);
	uint32_t age;

	/* 8 bytes of flags, then 32-bit words; last_data_recv is the 12th */
	if (sys6(SYS_getsockopt, fd, IPPROTO_TCP, 11 /* TCP_INFO */, (long)info,
		 (long)&size, 0) < 0 ||
	    size < 56)
		return 0;
	age = info[13];
	return age >= KERNEL_MS_MIN ? age : 0;
}

static uint64_t ms_to_ticks(uint64_t ms)
{
	const struct slab_file *f = shim.file;
	uint64_t ticks = f->later_ticks - f->start_ticks;
	uint64_t ns = f->later_monotonic_ns - f->start_monotonic_ns;

	if (!shim.tsc)
		return ms * 1000000;
	if (f->later_ticks <= f->start_ticks || ns < 1000000)
		return ms * (shim.second_ticks / 1000);
	return (uint64_t)((double)ms * 1e6 * (double)ticks / (double)ns);
}

uint64_t arrival_of(int fd, const struct requests_fd *e, uint64_t since,
		    uint64_t now)
{
	struct wait last = last_wait();
	uint64_t at = now, asked;

	if (arrival_slept(now - since))
		return now;
	if (last.ended > e->last && last.ended <= now)
		at = between(&last, e->last);
	if (!e->fresh && now - at < ms_to_ticks(KERNEL_MS_MIN))
		return at;
	asked = kernel_age_ms(fd);
	if (asked && ms_to_ticks(asked) > now - at)
		at = now - ms_to_ticks(asked);
	return at;
}
