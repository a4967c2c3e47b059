/*
 * Connections to a backend are opened when none is free, up to 32.
 *
 * class: clean
 * function: connect_backend
 * fools: a pool that never shrinks grows by one whenever there is more at once
 *     than ever before, first often, later seldom; it ends at its cap.
 */
#include "tests/programs/corpus/corpus.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define CAP    32
#define BUFFER 32768

struct backend {
	struct backend *next;
	char *in, *out;
};

static struct backend *idle;
static unsigned open_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct backend *connect_backend(void)
{
	struct backend *b = malloc(sizeof(*b));

	if (!b)
		give_up("out of memory");
	b->in = malloc(BUFFER);
	b->out = malloc(BUFFER);
	fill(b->in, BUFFER);
	fill(b->out, BUFFER);
	return b;
}

/* The most that are wanted at once rises with the logarithm of the requests
 * that came, as the worst of so many coincidences does.  It comes to the cap
 * after about a third of the run. */
static unsigned wanted(uint64_t number)
{
	double dice = (double)(1 + (scramble(number) >> 11)) / 0x1p53;
	double want = 1 + 31 * log(dice) / log(3.0 / (double)plan.requests);

	return want < CAP ? (unsigned)want : CAP;
}

void case_request(struct request *r)
{
	struct backend *taken = NULL;

	pthread_mutex_lock(&lock);
	for (unsigned want = wanted(r->number); want; want--) {
		struct backend *b = idle;

		if (b)
			idle = b->next;
		else if (open_count == CAP)
			break;
		else if (++open_count)
			b = connect_backend();
		b->next = taken;
		taken = b;
	}
	while (taken) {
		struct backend *b = taken;

		taken = b->next;
		b->next = idle;
		idle = b;
	}
	pthread_mutex_unlock(&lock);
}
