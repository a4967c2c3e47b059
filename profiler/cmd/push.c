/*
 * push: see push.h.
 */
#include "profiler/cmd/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/hash.h"
#include "profiler/cmd/push_http.h"
#include "profiler/cmd/terminal.h"

#define QUEUE_PARCELS 16
#define QUEUE_BYTES   (32u << 20)
#define LONGEST_NS    (60 * NS_PER_SECOND)
#define LAST_NS	      (5 * NS_PER_SECOND)
#define NS_PER_SECOND 1000000000ULL

struct push {
	struct push_options opt;
	struct push_http *http; /* the thread's */
	pthread_t thread;
	atomic_ullong give_up_ns; /* of sending; far away until the end */
	/* Guards all below. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct parcel queue[QUEUE_PARCELS]; /* oldest first */
	size_t count, bytes;
	bool sending; /* queue[0] is on its way: nobody takes it away */
	bool stop;
	struct push_counts counts;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static struct timespec at_ns(uint64_t ns)
{
	return (struct timespec) { (time_t)(ns / NS_PER_SECOND),
				   (long)(ns % NS_PER_SECOND) };
}

/* Under the lock. */
static void remove_at(struct push *p, size_t i)
{
	p->bytes -= p->queue[i].profile.len;
	buf_free(&p->queue[i].profile);
	free(p->queue[i].service);
	p->count--;
	memmove(&p->queue[i], &p->queue[i + 1],
		(p->count - i) * sizeof(p->queue[0]));
}

/* Under the lock.  False when it is time to stop. */
static bool wait_for_work(struct push *p, uint64_t not_before)
{
	for (;;) {
		uint64_t now = now_ns();
		struct timespec until = at_ns(not_before);

		if (p->stop && (!p->count || now >= p->give_up_ns))
			return false;
		if (p->count && (now >= not_before || p->stop))
			return true;
		if (p->count)
			pthread_cond_timedwait(&p->wake, &p->lock, &until);
		else
			pthread_cond_wait(&p->wake, &p->lock);
	}
}

/* Ever longer, and not for all clients at the same moment. */
static uint64_t pause_after(const struct push *p, unsigned failures)
{
	uint64_t pause = p->opt.pause_ns << (failures < 16 ? failures - 1 : 15);

	if (pause > LONGEST_NS)
		pause = LONGEST_NS;
	return pause - hash_mix(now_ns()) % (pause / 4 + 1);
}

/* Under the lock. */
static void settle(struct push *p, enum push_outcome outcome)
{
	p->sending = false;
	if (outcome == PUSH_LATER) {
		p->counts.retries++;
		return;
	}
	if (outcome == PUSH_TAKEN)
		p->counts.sent++;
	else
		p->counts.refused++;
	remove_at(p, 0);
}

static void tell(const struct push *p, enum push_outcome outcome,
		 enum push_outcome before, const struct err *why)
{
	if (outcome == before)
		return;
	if (outcome == PUSH_LATER)
		terminal_note("cannot push to %s, trying again: %s", p->opt.url,
			      why->text);
	else if (outcome == PUSH_NEVER)
		terminal_note("%s refuses a profile, which is lost: %s",
			      p->opt.url, why->text);
	else
		terminal_note("profiles are pushed to %s", p->opt.url);
}

static void *run(void *arg)
{
	struct push *p = arg;
	enum push_outcome outcome, before = PUSH_TAKEN;
	uint64_t not_before = 0, wait_ns;
	unsigned failures = 0;

	pthread_mutex_lock(&p->lock);
	while (wait_for_work(p, not_before)) {
		struct err why = ERR_INIT;
		struct parcel parcel = p->queue[0];

		p->sending = true;
		wait_ns = 0;
		pthread_mutex_unlock(&p->lock);
		outcome = push_http_send(p->http, &parcel, &p->give_up_ns,
					 &wait_ns, &why);
		tell(p, outcome, before, &why);
		before = outcome;
		failures = outcome == PUSH_LATER ? failures + 1 : 0;
		not_before = failures ? now_ns() + pause_after(p, failures) : 0;
		if (not_before && wait_ns && wait_ns < LONGEST_NS)
			not_before = now_ns() + wait_ns;
		pthread_mutex_lock(&p->lock);
		settle(p, outcome);
		if (outcome == PUSH_LATER && p->stop)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int push_start(struct push **out, const struct push_options *opt,
	       struct err *err)
{
	struct push *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	int rc;

	*out = NULL;
	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->opt = *opt;
	atomic_store(&p->give_up_ns, UINT64_MAX);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = push_http_open(&p->http, &p->opt, err);
	if (rc == 0 && pthread_create(&p->thread, NULL, run, p) != 0)
		rc = err_set(err, -EAGAIN, "cannot start a thread");
	if (rc < 0) {
		push_http_close(p->http);
		pthread_cond_destroy(&p->wake);
		pthread_mutex_destroy(&p->lock);
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

/* Under the lock.  Whether there is room for @bytes more now. */
static bool make_room(struct push *p, size_t bytes)
{
	size_t kept = p->sending;

	while (p->count == QUEUE_PARCELS || p->bytes + bytes > QUEUE_BYTES) {
		if (p->count <= kept)
			return false;
		remove_at(p, kept);
		p->counts.dropped++;
	}
	return true;
}

void push_add(struct push *p, struct buf *profile, const char *service,
	      uint64_t from_ns, uint64_t until_ns)
{
	char *name = strdup(service);

	pthread_mutex_lock(&p->lock);
	if (name && buf_status(profile) == 0 && make_room(p, profile->len)) {
		p->queue[p->count++] =
			(struct parcel) { *profile, name, from_ns, until_ns };
		p->bytes += profile->len;
		*profile = (struct buf)BUF_INIT;
		pthread_cond_signal(&p->wake);
	} else {
		p->counts.dropped++;
		free(name);
		buf_free(profile);
	}
	pthread_mutex_unlock(&p->lock);
}

void push_count(struct push *p, struct push_counts *counts)
{
	pthread_mutex_lock(&p->lock);
	*counts = p->counts;
	counts->queued = p->count;
	pthread_mutex_unlock(&p->lock);
}

void push_stop(struct push *p, struct push_counts *counts)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	atomic_store(&p->give_up_ns, now_ns() + LAST_NS);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	if (counts)
		push_count(p, counts);
	while (p->count)
		remove_at(p, 0);
	push_http_close(p->http);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
