/*
 * ticker: a thread that does something at an interval until it is stopped.
 */
#include "profiler/cmd/ticker.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_SECOND 1000000000ULL

struct ticker {
	pthread_t thread;
	pthread_mutex_t lock; /* guards `stop` */
	pthread_cond_t wake;
	bool stop;
	uint64_t interval_ns;
	void (*tick)(void *ctx);
	void *ctx;
};

/* False when it is time to stop. */
static bool wait_interval(struct ticker *t)
{
	struct timespec until;
	uint64_t ns;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns = (uint64_t)until.tv_nsec + t->interval_ns;
	until.tv_sec += (time_t)(ns / NS_PER_SECOND);
	until.tv_nsec = (long)(ns % NS_PER_SECOND);
	pthread_mutex_lock(&t->lock);
	while (!t->stop &&
	       pthread_cond_timedwait(&t->wake, &t->lock, &until) == 0)
		;
	stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct ticker *t = arg;

	while (wait_interval(t))
		t->tick(t->ctx);
	return NULL;
}

static void ticker_free(struct ticker *t)
{
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int ticker_start(struct ticker **out, uint64_t interval_ns,
		 void (*tick)(void *ctx), void *ctx)
{
	struct ticker *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;
	int rc;

	*out = NULL;
	if (!t)
		return -ENOMEM;
	t->interval_ns = interval_ns;
	t->tick = tick;
	t->ctx = ctx;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&t->thread, NULL, run, t);
	if (rc) {
		ticker_free(t);
		return -rc;
	}
	*out = t;
	return 0;
}

void ticker_stop(struct ticker *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	ticker_free(t);
}
