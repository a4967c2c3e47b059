/*
 * heap: the user half of bpf/heap.bpf.c: blocks of the targets' allocators,
 * a sample of them, from birth to death.
 *
 * It costs each call of malloc() and free() a trap, so it is watched: past its
 * budget it is switched off, for good, and says so.
 */
#ifndef STRANDLINE_PROBE_HEAP_H
#define STRANDLINE_PROBE_HEAP_H

#include <stdint.h>

struct probe_class;

struct heap_options {
	uint64_t mean_bytes; /* between samples; 0: as many a second as the
			      * stacks are worth */
	double budget_pct;   /* of one CPU */
	/* What it costs, or why it ends; may be NULL. */
	void (*note)(void *context, const char *sentence);
	/* It was switched off: from here on nothing is known. */
	void (*off)(void *context, uint64_t at_ns, const char *why);
	void *context;
};

/* Its options are struct heap_options. */
extern const struct probe_class probe_heap;

#endif
