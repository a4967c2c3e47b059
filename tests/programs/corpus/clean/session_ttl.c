/*
 * Each request opens a session, which ends a quarter of the run later.
 *
 * class: clean
 * function: open_session
 * fools: nothing is freed for the first quarter, and the level is a line as
 *     straight as that of any leak; then as many end as are opened.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct session {
	struct session *next;
	double ends;
	char state[368];
};

static struct session *first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct session *open_session(double lifetime)
{
	struct session *s = malloc(sizeof(*s));

	fill(s, sizeof(*s));
	s->next = NULL;
	s->ends = seconds_since_start() + lifetime;
	return s;
}

void case_request(struct request *r)
{
	struct session *s = open_session(plan.seconds / 4);

	(void)r;
	pthread_mutex_lock(&lock);
	*last = s;
	last = &s->next;
	pthread_mutex_unlock(&lock);
}

void case_idle(void)
{
	double now = seconds_since_start();

	pthread_mutex_lock(&lock);
	while (first && first->ends < now) {
		struct session *s = first;

		first = s->next;
		if (!first)
			last = &first;
		free(s);
	}
	pthread_mutex_unlock(&lock);
}
