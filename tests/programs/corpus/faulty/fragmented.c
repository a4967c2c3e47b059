/*
 * Buffers are shrunk to fit, and the rests are just too small for others.
 *
 * class: retention
 * function: shrink_to_fit
 * hides: what lives is a ring of equal blocks, full from the first request
 *     on, so that the live heap is flat; glibc shrinks in place and keeps the
 *     holes.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <stdlib.h>

#define BUFFER	1200
#define HEAD	48
#define ROOM	262144
#define WORKERS 8

static void *ring[ROOM], *unshrunk[WORKERS];
static uint64_t next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void keep(void *head)
{
	free(ring[next % ROOM]);
	ring[next++ % ROOM] = head;
}

/* One more kept head; behind it a hole, as the next buffer is there.  The
 * first call fills the ring with heads that have none. */
NOINLINE static void shrink_to_fit(unsigned worker)
{
	void *buffer = malloc(BUFFER);

	fill(buffer, BUFFER);
	do {
		void *last = next < ROOM ? NULL : unshrunk[worker];

		if (last || next < ROOM)
			keep(realloc(last, HEAD));
	} while (next < ROOM);
	unshrunk[worker] = buffer;
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	shrink_to_fit(r->worker % WORKERS);
	pthread_mutex_unlock(&lock);
}
