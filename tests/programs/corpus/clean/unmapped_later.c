/*
 * Each request maps a window of memory, which the main thread unmaps a while
 * later; in the second half twice as many come.
 *
 * class: clean
 * function: map_window
 * load: 8 x 600/s for 1/2; 8 x 1200/s for 1/2
 * fools: what is mapped rises as the run begins, stands, and rises to twice as
 *     much when the load does; another thread gives it back.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define WINDOW 16384
#define ROOM   65536

static struct {
	char *at;
	double ends;
} ring[ROOM];
static size_t first, last;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static char *map_window(void)
{
	char *at = mmap(NULL, WINDOW, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		give_up("no window");
	at[0] = 1;
	return at;
}

void case_request(struct request *r)
{
	char *at = map_window();

	(void)r;
	pthread_mutex_lock(&lock);
	if (last - first == ROOM)
		give_up("too many windows");
	ring[last % ROOM].at = at;
	ring[last++ % ROOM].ends = seconds_since_start() + plan.seconds / 12;
	pthread_mutex_unlock(&lock);
}

void case_idle(void)
{
	double now = seconds_since_start();

	pthread_mutex_lock(&lock);
	while (first < last && ring[first % ROOM].ends < now)
		munmap(ring[first++ % ROOM].at, WINDOW);
	pthread_mutex_unlock(&lock);
}
