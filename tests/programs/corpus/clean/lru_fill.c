/*
 * A cache with a bound, full after a third of the run.
 *
 * class: clean
 * function: load_page
 * fools: it grows by 2 KiB a request in a straight line, and what it holds
 *     is never freed while it fills.  Then it stands still: each new page
 *     pushes out the one that was used least lately.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define PAGE 2048
#define ROOM 65536

static char *pages[ROOM];
static uint64_t first, next; /* a queue: all are used once */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *load_page(void)
{
	char *page = malloc(PAGE);

	fill(page, PAGE);
	return page;
}

void case_request(struct request *r)
{
	uint64_t bound = plan.requests / 3;
	char *page = load_page();

	(void)r;
	if (bound > ROOM - 1)
		bound = ROOM - 1;
	pthread_mutex_lock(&lock);
	pages[next++ % ROOM] = page;
	if (next - first > bound)
		free(pages[first++ % ROOM]);
	pthread_mutex_unlock(&lock);
}
