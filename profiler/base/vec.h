/*
 * vec: a growable array of any element type.
 *
 *	VEC(struct frame) frames = VEC_INIT;
 *	struct frame *f = vec_push(&frames);	-- NULL when out of memory
 *	vec_foreach(&frames, f) { ... }
 *	vec_free(&frames);
 *
 * New elements are zeroed.  A push may move the array: keep indices, not
 * pointers.
 */
#ifndef STRANDLINE_BASE_VEC_H
#define STRANDLINE_BASE_VEC_H

#include <stdlib.h>
#include <string.h>

#define VEC(type)                \
	struct {                 \
		type *at;        \
		size_t count;    \
		size_t capacity; \
	}

#define VEC_INIT           \
	{                  \
		NULL, 0, 0 \
	}

static inline int vec_grow_(void **at, size_t *capacity, size_t want,
			    size_t element_size)
{
	size_t capacity_new = *capacity ? *capacity : 8;
	void *moved;

	if (want <= *capacity)
		return 0;
	while (capacity_new < want)
		capacity_new *= 2;
	moved = realloc(*at, capacity_new * element_size);
	if (!moved)
		return -1;
	*at = moved;
	*capacity = capacity_new;
	return 0;
}

#define vec_push(v)                                                          \
	(vec_grow_((void **)&(v)->at, &(v)->capacity, (v)->count + 1,        \
		   sizeof(*(v)->at))                                         \
		 ? NULL                                                      \
		 : ((v)->count++,                                            \
		    (__typeof__((v)->at))memset(&(v)->at[(v)->count - 1], 0, \
						sizeof(*(v)->at))))

/* Make room for @n elements in all; 0, or -1 when out of memory. */
#define vec_reserve(v, n) \
	vec_grow_((void **)&(v)->at, &(v)->capacity, (n), sizeof(*(v)->at))

/* An empty one has no array, and no pointer to add 0 to. */
#define vec_foreach(v, it) \
	for (it = (v)->at; it && it < (v)->at + (v)->count; it++)

#define vec_free(v)                             \
	do {                                    \
		free((v)->at);                  \
		(v)->at = NULL;                 \
		(v)->count = (v)->capacity = 0; \
	} while (0)

#endif
