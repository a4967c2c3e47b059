/*
 * pyheap: what a Python process's blocks are, and what holds them.
 *
 * From outside, without running any Python: objects are told by their types
 * (pytypes.h), and all that modules lead to is followed, breadth first, so
 * that each object is found by one of its shortest ways.  What the blocks of
 * a group have in common on theirs is what holds them: "app.answer_cache".
 *
 * What only frames, threads or extensions refer to is not found; its type is
 * told all the same.  Best on memory that stands still, as a snapshot does.
 */
#ifndef STRANDLINE_SYM_PYHEAP_H
#define STRANDLINE_SYM_PYHEAP_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/sym/pyroutes.h"

struct pyheap;
struct remote;

struct pyheap_block { /* ascending by address, disjoint */
	uint64_t addr, size;
	uint32_t group; /* which blocks are looked at together */
	float weight;	/* bytes that it stands for */
};

struct pyheap_group {
	uint32_t group;
	uint32_t blocks;	 /* of a known type or owner */
	double weight;		 /* of these */
	const char *type;	 /* of most of it: "dict", "dict entries" */
	const char *holder;	 /* "app.answer_cache"; "" unknown */
	const char *holder_type; /* "dict"; "" unknown */
};

/*
 * Of the process that @from reads, whose interpreter is of @version (0x030b:
 * 3.11) and has its sys.modules at @modules.  0, -ENOMEM.
 */
int pyheap_read(struct pyheap **out, const struct remote *from,
		uint32_t version, uint64_t modules,
		const struct pyheap_block *blocks, size_t count);
void pyheap_free(struct pyheap *h); /* NULL is fine */
/* Those with a block of a known type; the greatest weight first. */
const struct pyheap_group *pyheap_groups(const struct pyheap *h, size_t *count);
/* The routes of its web application. */
const struct pyroute *pyheap_routes(const struct pyheap *h, size_t *count);

#endif
