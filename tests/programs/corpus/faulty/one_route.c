/*
 * Of three routes the least used one keeps a copy of each answer.
 *
 * class: growth
 * function: keep_answer
 * bytes: 320 of /b
 * load: 8 x 2000/s /a=12,/b=1,/c=7
 * hides: over all requests it is 16 bytes.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct answer {
	struct answer *next;
	char text[312];
};

static struct answer *answers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void keep_answer(void)
{
	struct answer *a = malloc(sizeof(*a));

	fill(a, sizeof(*a));
	pthread_mutex_lock(&lock);
	a->next = answers;
	answers = a;
	pthread_mutex_unlock(&lock);
}

NOINLINE static void answer(uint64_t number)
{
	size_t size = 100 + scramble(number) % 3000;
	char *text = malloc(size);

	fill(text, size);
	free(text);
}

void case_request(struct request *r)
{
	answer(r->number);
	if (strcmp(r->path, "/b") == 0)
		keep_answer();
}
