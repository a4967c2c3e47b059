/*
 * One job in twenty fails and is tried again four times, later each time, and
 * then dropped.
 *
 * class: clean
 * function: copy_job
 * fools: for the first seventh of the run failed jobs only add up; each try
 *     copies the job, so what is held is always young.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS 4096
#define TRIES 4
#define JOB   640

struct job {
	struct job *next;
	uint64_t due;
	unsigned tries;
	char body[JOB - 24];
};

static struct job *wheel[SLOTS];
static uint64_t turned;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* A slot is a four-thousandth of the run. */
static uint64_t slot_of(uint64_t number)
{
	return number * SLOTS / (plan.requests + 1);
}

NOINLINE static struct job *copy_job(unsigned tries)
{
	struct job *j = malloc(sizeof(*j));

	fill(j, sizeof(*j));
	j->tries = tries;
	return j;
}

/* After 1, 2, 4 and 8 hundredths of the run. */
static void plan_try(uint64_t now, unsigned tries)
{
	struct job *j = copy_job(tries);
	struct job **slot;

	j->due = now + ((SLOTS / 100) << tries);
	slot = &wheel[j->due % SLOTS];
	j->next = *slot;
	*slot = j;
}

static void turn(uint64_t to)
{
	for (; turned < to; turned++) {
		struct job *j = wheel[turned % SLOTS];

		wheel[turned % SLOTS] = NULL;
		while (j) {
			struct job *next = j->next;

			if (j->tries + 1 < TRIES)
				plan_try(turned, j->tries + 1);
			free(j);
			j = next;
		}
	}
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	turn(slot_of(r->number));
	if (scramble(r->number) % 20 == 0)
		plan_try(turned, 0);
	pthread_mutex_unlock(&lock);
}
