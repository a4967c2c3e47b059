/*
 * mark: which of a process's blocks can be reached from its roots.
 *
 * Conservative: any aligned word that could be a pointer to a block, or into
 * it, is one.  Whatever of the memory is not part of a known block is a root:
 * globals, stacks and thread-local storage are, and so are blocks that nobody
 * told us of.  So with all blocks known the answer is that of a tracing
 * collector; with some of them (samples) a block counts as reachable as soon
 * as anything outside of the unreachable ones refers to it.  Either way what
 * is unreachable is.
 *
 * One pass over the memory in order of address, which is as fast as it can be
 * read; references out of blocks that no root has reached yet are kept as
 * numbers, and followed without reading the memory again.
 *
 * Single-threaded.
 */
#ifndef STRANDLINE_ATTACH_MARK_H
#define STRANDLINE_ATTACH_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/base/vec.h"

struct mark;
struct remote;

struct mark_block { /* ascending by address */
	uint64_t addr;
	uint64_t size;
};

struct mark_range {
	uint64_t start, end;
	bool any_offset; /* pointers may stand at any byte: machine code */
};

struct mark_ranges {
	VEC(struct mark_range) list;
};

/* Blocks at most; more are refused. */
#define MARK_BLOCKS_MAX (1u << 30)

/*
 * For @count blocks, which must outlive it.  Those that contain others, or
 * that are not aligned to 8, are taken for part of the roots.  -ENOMEM,
 * -E2BIG.
 */
int mark_new(struct mark **out, const struct mark_block *blocks, size_t count);
void mark_free(struct mark *m); /* NULL is fine */

/* Words that are roots themselves: registers, what the kernel keeps. */
int mark_words(struct mark *m, const uint64_t *words, size_t count);
/*
 * Look through @ranges (ascending) of @from.  What cannot be read is taken for
 * empty; mark_unread() says how much.  0 or -ENOMEM.
 */
int mark_scan(struct mark *m, const struct remote *from,
	      const struct mark_ranges *ranges);
/* Take block @i for reached, whatever refers to it. */
int mark_block(struct mark *m, size_t i);
/* Follow what is left to follow.  Then, and after more of the above again: */
int mark_follow(struct mark *m);
bool mark_reached(const struct mark *m, size_t i);

uint64_t mark_bytes(const struct mark *m);  /* looked through */
uint64_t mark_unread(const struct mark *m); /* bytes */

#endif
