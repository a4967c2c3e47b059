/*
 * maps: /proc/self/maps, read without allocating.
 */
#ifndef STRANDLINE_PRELOAD_MAPS_H
#define STRANDLINE_PRELOAD_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct maps_line {
	uint64_t start, end, offset;
	uint64_t dev, inode;
	bool readable, writable, executable, shared;
	bool grows_down;  /* the main thread's stack */
	const char *path; /* in the caller's text; "" when anonymous */
};

struct maps_text { /* the file's bytes, in pages of our own */
	char *bytes;
	size_t size, capacity;
};

bool maps_read(struct maps_text *text); /* false: not readable */
void maps_free(struct maps_text *text);
/* Parse the line at *@at and step past it; paths are NUL-terminated in place.
 */
bool maps_next(struct maps_text *text, size_t *at, struct maps_line *line);
/* The mapping around @addr; path is not kept. */
bool maps_find(uint64_t addr, struct maps_line *line);

#endif
