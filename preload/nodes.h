/*
 * nodes: the tree of stacks, for those that put frames of their own into it.
 */
#ifndef STRANDLINE_PRELOAD_NODES_H
#define STRANDLINE_PRELOAD_NODES_H

#include <stdint.h>

#include "profiler/wire/record.h"

/*
 * node_index.c: what was kept under @hash, which is not 0 and whose high bits
 * tell it from others; 0: nothing, or it was too long ago.
 */
uint32_t node_find(uint64_t hash);
/* Keep number @node, below 2^24 and not 0, under @hash. */
void node_keep(uint64_t hash, uint32_t node);
void node_index_start(void);
void node_index_forget(void);

/* A new node, kept under @hash; 0: no room. */
uint32_t node_make(uint64_t hash, uint32_t parent, enum wire_node_kind kind,
		   uint32_t module, uint64_t value);
/* The root that says why there is nothing outside of a stack. */
uint32_t node_marker(enum wire_node_kind kind);

#endif
