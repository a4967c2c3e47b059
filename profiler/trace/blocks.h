/*
 * blocks: which blocks of a process were alive at an instant, by a recording
 * in progress.
 *
 * Reads and changes nothing.  Most of the events can be read before the
 * instant comes, so that little is left to do after it: blocks_open(), then
 * blocks_at().
 */
#ifndef STRANDLINE_TRACE_BLOCKS_H
#define STRANDLINE_TRACE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/wire/slab.h"

struct blocks;
struct err;

struct block {
	uint64_t addr, size;
	uint32_t node;	   /* of the stack that made it */
	uint32_t birth;	   /* which window of the recording it was born in */
	float probability; /* that it was sampled; 1 exact */
	uint32_t pad;
};

/* @path is a .slabs file.  0 or -errno with a sentence. */
int blocks_open(struct blocks **out, const char *path, struct err *err);
void blocks_close(struct blocks *b); /* NULL is fine */
const struct slab_file *blocks_header(const struct blocks *b);
/* Read on; what is read here need not be read by blocks_at(). */
int blocks_read_on(struct blocks *b, struct err *err);

/*
 * Those alive at @ticks, by address, into *@out[*@count], to be freed.
 * *@window is the one of the instant; blocks born in it are of uncertain age.
 * -EAGAIN when a digester has gone past the instant: take a later one.
 */
int blocks_at(struct blocks *b, uint64_t ticks, struct block **out,
	      size_t *count, uint32_t *window, struct err *err);

#endif
