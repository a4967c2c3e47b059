/*
 * races: what the race tests share.
 *
 * Plain programs, not Criterion ones: its arena sits where ThreadSanitizer
 * keeps its shadow.  Each is a claim about lock-free code, checked by the
 * counts it ends with in every tree and by ThreadSanitizer in its own.
 */
#ifndef STRANDLINE_TESTS_RACES_H
#define STRANDLINE_TESTS_RACES_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define RACERS 4

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
				__LINE__, #condition);                   \
			exit(1);                                         \
		}                                                        \
	} while (0)

/* Run @body in RACERS threads, with 0, 1 .. as its argument, to their end. */
static inline void race(void *(*body)(void *number))
{
	pthread_t threads[RACERS];

	for (uintptr_t i = 0; i < RACERS; i++)
		CHECK(pthread_create(&threads[i], NULL, body, (void *)i) == 0);
	for (int i = 0; i < RACERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

#endif
