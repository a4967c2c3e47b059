/*
 * vectors: texts as unit vectors, and which of many are nearest.
 *
 * A text is its words and their letter trigrams, hashed into buckets; each
 * bucket has a fixed pseudo-random direction.  The search looks at every
 * vector: 10,000 of them take about a millisecond.
 *
 * Any thread may search; adding waits until nobody does.
 */
#ifndef RAG_VECTORS_H
#define RAG_VECTORS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VECTOR_DIMENSIONS 256

struct vector {
	float at[VECTOR_DIMENSIONS];
};

struct near {
	int64_t id; /* counted from 1, in the order they were added */
	float score;
};

struct vectors {
	pthread_rwlock_t lock; /* guards what follows */
	struct vector *all;
	size_t count, room;
};

void vector_embed(struct vector *v, const char *text);
void vectors_init(struct vectors *vs);
void vectors_fini(struct vectors *vs);
bool vectors_add(struct vectors *vs, const struct vector *v);
size_t vectors_count(struct vectors *vs);
/* Up to @limit of the nearest, best first.  Returns how many. */
size_t vectors_nearest(struct vectors *vs, const struct vector *v,
		       struct near *out, size_t limit);

#endif
