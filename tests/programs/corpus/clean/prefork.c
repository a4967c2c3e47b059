/*
 * Four forked workers share what their parent loaded, and each writes to it.
 *
 * class: clean
 * function: load_model|personal_copy
 * load: 16 x 2000/s
 * fools: written pages stop to be shared one by one, so the private memory
 *     of each worker grows although it allocates nothing; and each worker
 *     fills a small table of its own.
 */
#include "tests/programs/corpus/corpus.h"

#include <stdlib.h>

#define PAGES  4096
#define OWN    512
#define WEIGHT 1024

const struct shape shape = { 8, 4 };
static char *model;
static char *own[OWN];

NOINLINE static char *load_model(void)
{
	char *m = malloc((size_t)PAGES * 4096);

	fill(m, (size_t)PAGES * 4096);
	return m;
}

/* Runs in the parent, before main() forks. */
__attribute__((constructor)) static void prepare(void)
{
	model = load_model();
}

NOINLINE static char *personal_copy(const char *from)
{
	char *copy = malloc(WEIGHT);

	fill(copy, WEIGHT);
	copy[0] = *from;
	return copy;
}

void case_request(struct request *r)
{
	uint64_t pages =
		plan.requests / 6 < PAGES ? plan.requests / 6 + 1 : PAGES;
	uint64_t dice = scramble(r->number);
	char *page = model + dice % pages * 4096;
	char *none = NULL, *copy;

	__atomic_add_fetch(page, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&own[dice / PAGES % OWN], __ATOMIC_RELAXED))
		return;
	copy = personal_copy(page);
	if (!__atomic_compare_exchange_n(&own[dice / PAGES % OWN], &none, copy,
					 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		free(copy);
}
