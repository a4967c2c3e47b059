/*
 * keeper: a thread that gives a recording's space back while it grows.
 */
#include "profiler/cmd/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "profiler/base/err.h"
#include "profiler/cmd/terminal.h"
#include "profiler/trace/digest.h"

/* A busy exact recording writes 100 MB a second, of a cap of 256 MiB. */
#define ROUND_NS 200000000L

struct keeper {
	struct digest *digest; /* the thread's alone while that runs */
	pthread_t thread;
	pthread_mutex_t lock; /* guards `stop` */
	pthread_cond_t wake;
	bool stop;
};

/* False when it is time to stop. */
static bool wait_for_round(struct keeper *k)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ROUND_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&k->lock);
	while (!k->stop &&
	       pthread_cond_timedwait(&k->wake, &k->lock, &until) == 0)
		;
	stop = k->stop;
	pthread_mutex_unlock(&k->lock);
	return !stop;
}

static void *keep(void *arg)
{
	struct keeper *k = arg;
	struct err err = ERR_INIT;
	bool told = false;

	do {
		if (digest_poll(k->digest, &err) == 0 || told)
			continue;
		told = true; /* once: it will fail so every second */
		terminal_note("%s", err.text);
	} while (wait_for_round(k));
	return NULL;
}

static int start_thread(struct keeper *k, struct err *err)
{
	pthread_condattr_t attr;
	int rc;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&k->thread, NULL, keep, k);
	if (rc == 0)
		return 0;
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	return err_set(err, -rc, "cannot start a thread: %s", strerror(rc));
}

int keeper_start(struct keeper **out, const char *dir, struct err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int rc;

	*out = NULL;
	if (!k)
		return err_set(err, -ENOMEM, "out of memory");
	rc = digest_open(&k->digest, dir, err);
	if (rc < 0)
		goto free_keeper;
	rc = start_thread(k, err);
	if (rc < 0)
		goto close_digest;
	*out = k;
	return 0;

close_digest:
	digest_close(k->digest);
free_keeper:
	free(k);
	return rc;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stop = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	digest_close(k->digest);
	free(k);
}
