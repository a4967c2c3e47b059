/*
 * A queue whose consumer does three jobs in the time in which four come.
 *
 * class: growth
 * function: enqueue
 * bytes: 128
 * hides: every job is done and freed in the end: no block stays for good, and
 *     three quarters of all that is allocated is released within the run.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct job {
	struct job *next;
	char body[504];
};

static struct job *first, **last = &first;
static uint64_t came, done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void enqueue(void)
{
	struct job *j = malloc(sizeof(*j));

	fill(j, sizeof(*j));
	j->next = NULL;
	*last = j;
	last = &j->next;
	came++;
}

static void run_first(void)
{
	struct job *j = first;

	first = j->next;
	if (!first)
		last = &first;
	free(j);
	done++;
}

void case_request(struct request *r)
{
	(void)r;
	pthread_mutex_lock(&lock);
	enqueue();
	pthread_mutex_unlock(&lock);
}

void case_idle(void)
{
	pthread_mutex_lock(&lock);
	while (done < came * 3 / 4)
		run_first();
	pthread_mutex_unlock(&lock);
}
