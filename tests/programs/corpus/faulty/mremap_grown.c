/*
 * An audit trail is one mapping, made larger by mremap() whenever it is full.
 *
 * class: mappings
 * function: make_room
 * bytes: 512
 * hides: there is one mapping all the time, it moves, and no allocator has a
 *     part in it.
 */
#include "tests/programs/corpus/corpus.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define RECORD 512
#define STEP   65536

static char *trail;
static size_t used, size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

NOINLINE static void make_room(void)
{
	trail = mremap(trail, size, size + STEP, MREMAP_MAYMOVE);
	if (trail == MAP_FAILED)
		give_up("no room for the trail");
	size += STEP;
}

void case_start(void)
{
	size = STEP;
	trail = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (trail == MAP_FAILED)
		give_up("no trail");
}

void case_request(struct request *r)
{
	pthread_mutex_lock(&lock);
	if (used + RECORD > size)
		make_room();
	memset(trail + used, (int)r->number | 1, RECORD);
	used += RECORD;
	pthread_mutex_unlock(&lock);
}
