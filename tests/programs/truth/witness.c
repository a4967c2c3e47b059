/*
 * Publishes what it does in a file that outlives it, for those who kill it at
 * a random moment:
 *
 *	truth_witness FILE [SECONDS]
 *
 * FILE gets a struct counts for each of the threads' functions, work_0 to
 * work_3.  Each figure is raised before a call and its partner after it, so
 * the truth lies between the two, and they differ by one call at most.  The
 * threads end now and then and others go on in their place.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "truth.h"

#define WORKERS 4
#define HELD	1000
#define LIFE	30000 /* blocks that one thread makes */

struct counts {
	uint64_t begun, made; /* blocks */
	uint64_t begun_bytes, made_bytes;
	uint64_t freeing, freed; /* blocks */
	uint64_t pad[2];
};

static struct counts *published;
static volatile int ending;

struct worker {
	void *held[HELD];
	uint64_t next;
	uint32_t random;
} workers[WORKERS];

#define RAISE(figure, by) \
	__atomic_store_n(&(figure), (figure) + (by), __ATOMIC_RELEASE)

static inline __attribute__((always_inline)) void work(int n)
{
	struct counts *c = &published[n];
	struct worker *w = &workers[n];

	for (int i = 0; i < LIFE && !ending; i++) {
		void **slot = &w->held[w->next++ % HELD];
		size_t size;

		w->random = w->random * 1664525 + 1013904223;
		size = 16 + (w->random >> 8) % 2000;
		if (*slot) {
			RAISE(c->freeing, 1);
			free(*slot);
			RAISE(c->freed, 1);
		}
		RAISE(c->begun, 1);
		RAISE(c->begun_bytes, size);
		*slot = malloc(size);
		RAISE(c->made, 1);
		RAISE(c->made_bytes, size);
	}
}

#define WORK(n)                            \
	NOINLINE void *work_##n(void *arg) \
	{                                  \
		work(n);                   \
		return arg;                \
	}
WORK(0)
WORK(1)
WORK(2)
WORK(3)

static void *(*const functions[])(void *) = { work_0, work_1, work_2, work_3 };

/* One after the other does the same work. */
static void *relay(void *function)
{
	pthread_t thread;

	while (!ending) {
		if (pthread_create(&thread, NULL,
				   *(void *(*const *)(void *))function, NULL))
			abort();
		pthread_join(thread, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t relays[WORKERS];
	int fd = open(argv[1], O_RDWR);

	published = mmap(NULL, WORKERS * sizeof(*published),
			 PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (published == MAP_FAILED)
		return 1;
	for (int i = 0; i < WORKERS; i++)
		if (pthread_create(&relays[i], NULL, relay,
				   (void *)&functions[i]))
			return 1;
	sleep(argc > 2 ? (unsigned)atoi(argv[2]) : 60);
	ending = 1;
	for (int i = 0; i < WORKERS; i++)
		pthread_join(relays[i], NULL);
	return 0;
}
