/*
 * Jobs are queued in bursts, and a worker takes them off at a steady pace.
 *
 * class: clean
 * function: enqueue
 * fools: for seconds at a time more comes than goes; each burst is of another
 *     size, the last is still in the queue when the run ends.  Over the whole
 *     run the worker is faster than what comes.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct job {
	struct job *next;
	char body[1016];
};

static struct job *first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t taken;

NOINLINE static void enqueue(void)
{
	struct job *j = malloc(sizeof(*j));

	fill(j, sizeof(*j));
	j->next = NULL;
	pthread_mutex_lock(&lock);
	*last = j;
	last = &j->next;
	pthread_mutex_unlock(&lock);
}

static void run_one(void)
{
	struct job *j;

	pthread_mutex_lock(&lock);
	j = first;
	if (j) {
		first = j->next;
		if (!first)
			last = &first;
	}
	pthread_mutex_unlock(&lock);
	free(j);
}

/* Fifteen bursts a run and a part of one, each a quarter of its time. */
void case_request(struct request *r)
{
	uint64_t period = plan.requests * 10 / 151 + 1;
	uint64_t burst = 1 + scramble(r->number / period) % 3;

	if (r->number % period < period / 4)
		for (; burst; burst--)
			enqueue();
}

/* 0.85 a request could be run, and half a job for each request comes. */
void case_idle(void)
{
	double share = seconds_since_start() / plan.seconds;
	uint64_t due = (uint64_t)(share * 0.85 * (double)plan.requests);

	while (taken < due) {
		taken++;
		run_one();
	}
}
