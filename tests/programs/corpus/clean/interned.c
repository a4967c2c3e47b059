/*
 * Patterns are compiled once and kept; there are four thousand, of which few
 * are used often.
 *
 * class: clean
 * function: compile_pattern
 * fools: after the first rush new ones come ever more seldom, but they still
 *     come in the last second.  There is no bound in the code: the bound is
 *     that of the language that the requests are written in.
 */
#include "tests/programs/corpus/corpus.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define WORDS 4096

static char *patterns[WORDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *compile_pattern(uint64_t word)
{
	size_t size = 200 + scramble(word) % 600;
	char *p = malloc(size);

	fill(p, size);
	return p;
}

/* Zipf: the n-th word comes with a chance of 1/n.  A short run speaks a
 * smaller language. */
void case_request(struct request *r)
{
	double words = fmin(WORDS, (double)plan.requests / 40);
	double dice = (double)(scramble(r->number) >> 11) / 0x1p53;
	uint64_t word = (uint64_t)pow(words, dice);

	pthread_mutex_lock(&lock);
	if (!patterns[word % WORDS])
		patterns[word % WORDS] = compile_pattern(word);
	pthread_mutex_unlock(&lock);
}
