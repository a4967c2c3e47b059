/*
 * Each request sets a timer an hour ahead and cancels it when it is answered.
 *
 * class: growth
 * function: set_timer
 * bytes: 160
 * hides: a cancelled timer is marked so, and is freed when its time has come.
 * argued: the table of all, 8 to 16 bytes for each, is another function's.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct timer {
	double due;
	bool cancelled;
	char what[144];
};

static struct timer **timers; /* the soonest first */
static size_t count, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void grow(void)
{
	room = room ? 2 * room : 64;
	timers = realloc(timers, room * sizeof(*timers));
	if (!timers)
		give_up("out of memory");
}

NOINLINE static struct timer *set_timer(double due)
{
	struct timer *t = malloc(sizeof(*t));

	fill(t, sizeof(*t));
	t->due = due;
	t->cancelled = false;
	if (count == room)
		grow();
	timers[count++] = t;
	return t;
}

static void expire(double now)
{
	while (count && timers[0]->due <= now) {
		free(timers[0]);
		timers[0] = timers[--count];
	}
}

void case_request(struct request *r)
{
	double now = seconds_since_start();
	struct timer *t;

	(void)r;
	pthread_mutex_lock(&lock);
	expire(now);
	t = set_timer(now + 3600);
	t->cancelled = true;
	pthread_mutex_unlock(&lock);
}
