/*
 * Log lines are kept in memory and written when a quarter of a megabyte has
 * come together, or when an error comes.
 *
 * class: clean
 * function: log_line
 * fools: lines are separate blocks that live for up to two seconds, thousands
 *     of them; none is freed by the thread that made it.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

struct line {
	struct line *next;
	char text[];
};

static struct line *lines;
static size_t held;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static struct line *log_line(uint64_t number)
{
	size_t len = 60 + scramble(number) % 140;
	struct line *l = malloc(sizeof(*l) + len);

	fill(l, sizeof(*l) + len);
	held += len;
	return l;
}

static void flush(void)
{
	while (lines) {
		struct line *l = lines;

		lines = l->next;
		free(l);
	}
	held = 0;
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 3; i++) {
		struct line *l = log_line(r->number * 3 + (uint64_t)i);

		l->next = lines;
		lines = l;
	}
	if (held > 262144 || scramble(r->number) % 4096 == 0)
		flush();
	pthread_mutex_unlock(&lock);
}
