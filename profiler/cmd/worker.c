#include "profiler/cmd/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define NICE 19

struct list { /* first in, first out */
	struct worker_job *first, *last;
};

struct worker {
	int event; /* eventfd: counts `done` */
	pthread_t thread;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t wake;
	struct list todo, done;
	bool stop;
};

static void list_add(struct list *l, struct worker_job *job)
{
	job->next = NULL;
	if (l->last)
		l->last->next = job;
	else
		l->first = job;
	l->last = job;
}

static struct worker_job *list_take(struct list *l)
{
	struct worker_job *job = l->first;

	if (!job)
		return NULL;
	l->first = job->next;
	if (!l->first)
		l->last = NULL;
	return job;
}

static struct worker_job *next_job(struct worker *w)
{
	struct worker_job *job;

	pthread_mutex_lock(&w->lock);
	while (!w->stop && !w->todo.first)
		pthread_cond_wait(&w->wake, &w->lock);
	job = list_take(&w->todo);
	pthread_mutex_unlock(&w->lock);
	return job;
}

static void put_done(struct worker *w, struct worker_job *job)
{
	uint64_t one = 1;

	pthread_mutex_lock(&w->lock);
	list_add(&w->done, job);
	pthread_mutex_unlock(&w->lock);
	while (write(w->event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct worker_job *job;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while ((job = next_job(w))) {
		job->run(job);
		put_done(w, job);
	}
	return NULL;
}

static void worker_free(struct worker *w)
{
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	if (w->event >= 0)
		close(w->event);
	free(w);
}

int worker_start(struct worker **out)
{
	struct worker *w = calloc(1, sizeof(*w));
	int rc;

	*out = NULL;
	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	rc = w->event < 0 ? errno : pthread_create(&w->thread, NULL, run, w);
	if (rc) {
		worker_free(w);
		return -rc;
	}
	*out = w;
	return 0;
}

void worker_stop(struct worker *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	worker_free(w);
}

void worker_give(struct worker *w, struct worker_job *job)
{
	pthread_mutex_lock(&w->lock);
	list_add(&w->todo, job);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

struct worker_job *worker_take(struct worker *w)
{
	struct worker_job *job;
	uint64_t one;

	pthread_mutex_lock(&w->lock);
	job = list_take(&w->done);
	pthread_mutex_unlock(&w->lock);
	if (job && read(w->event, &one, sizeof(one)) < 0)
		return job; /* it is about to be written: a wake-up too many */
	return job;
}

int worker_fd(const struct worker *w)
{
	return w->event;
}
