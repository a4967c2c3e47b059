/*
 * routebook: puts the texts of a table of routes on record, each once.
 */
#ifndef STRANDLINE_PRELOAD_ROUTEBOOK_H
#define STRANDLINE_PRELOAD_ROUTEBOOK_H

#include "preload/internal.h"
#include "profiler/http/route.h"

struct routebook {
	struct routes *routes;
	struct slab_head *meta; /* WIRE_ROUTE records */
	uint32_t first;		/* what is added to an id on record */
	uint32_t busy;		/* somebody writes them: others pass by */
	uint32_t written;	/* 1 to this are on record */
};

void routebook_write_more(struct routebook *b);

/* Put routes on record that are not yet; what fails is tried next time. */
static inline void routebook_write(struct routebook *b)
{
	if (unlikely(b->written < routes_count(b->routes)))
		routebook_write_more(b);
}

/* The child's file knows none. */
void routebook_fork_child(struct routebook *b);

#endif
