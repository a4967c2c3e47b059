/*
 * What requests have done with is put on a list, which the main thread frees
 * all at once when three seconds are over.
 *
 * class: clean
 * function: new_session
 * fools: another thread frees it than the one that made it, and at most points
 *     in time thousands of blocks wait that nobody will ever use.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct session {
	struct session *next;
	char state[368];
};

static struct session *done;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct session *new_session(void)
{
	struct session *s = malloc(sizeof(*s));

	fill(s, sizeof(*s));
	return s;
}

void case_request(struct request *r)
{
	struct session *s = new_session();

	(void)r;
	pthread_mutex_lock(&lock);
	s->next = done;
	done = s;
	pthread_mutex_unlock(&lock);
}

void case_idle(void)
{
	static unsigned calls;
	struct session *s;

	if (++calls % 30)
		return;
	pthread_mutex_lock(&lock);
	s = done;
	done = NULL;
	pthread_mutex_unlock(&lock);
	while (s) {
		struct session *next = s->next;

		free(s);
		s = next;
	}
}
