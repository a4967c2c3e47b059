/*
 * probefile_state: what the parts of probefile share.
 */
#ifndef STRANDLINE_TRACE_PROBEFILE_STATE_H
#define STRANDLINE_TRACE_PROBEFILE_STATE_H

#include <stddef.h>

#include "profiler/base/vec.h"
#include "profiler/trace/probefile.h"
#include "profiler/wire/slab.h"

#define ROUTE_IDS 4096
#define SLOWEST	  4 /* requests of each route */

struct hash;

struct sum {
	int64_t count, weight;
	uint32_t node, kind;
};

struct probefile {
	int fd;
	struct slab_file *file;
	struct slab_head *meta, *nodes, *events; /* NULL: none begun */
	uint64_t ticks;				 /* of the latest event */
	uint64_t addr, mean;			 /* of it, within its slab */
	int32_t tid;
	uint64_t spans;		       /* how many were written */
	uint64_t (*slowest)[SLOWEST];  /* by route; NULL until there is one */
	bool slow;		       /* the latest request is one of them */
	uint8_t routes[ROUTE_IDS / 8]; /* those that are written */
	uint32_t modules, texts, codes, node_count;
	struct hash *node_ids;	 /* (parent, content) mixed -> id */
	struct hash *sum_places; /* node and kind -> index of sums */
	VEC(struct sum) sums;
};

/* Room for a record of @size bytes, zeroed; NULL when there is none. */
void *probefile_room(struct probefile *f, size_t size, int *rc);
/* So many more bytes of @slab are written. */
void probefile_publish(struct slab_head *slab, size_t size);

static inline size_t probefile_aligned(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

#endif
