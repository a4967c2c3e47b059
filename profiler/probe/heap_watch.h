/*
 * heap_watch: puts the programs of bpf/heap.bpf.c on the allocators of the
 * targets, process by process: on libc's malloc() every process of the host
 * would else pay for them.
 *
 * Only what is mapped can be found, so look again now and then.
 */
#ifndef STRANDLINE_PROBE_HEAP_WATCH_H
#define STRANDLINE_PROBE_HEAP_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_bpf;
struct heap_watch;

/* @session: the kernel catches only those returns that are asked for. */
struct heap_watch *heap_watch_new(struct heap_bpf *bpf, bool session);
void heap_watch_free(struct heap_watch *w); /* NULL is fine; all ends */

/*
 * Look at the processes in the map of targets; with @deep at what those map
 * that are known.  True when one of them has ended or become another program.
 */
bool heap_watch_look(struct heap_watch *w, int targets, bool deep);
/* Which image of process @pid it is; false: it is not watched. */
bool heap_watch_image(const struct heap_watch *w, uint32_t pid,
		      uint32_t *image);

struct heap_watched {	  /* so far, all processes together */
	size_t functions; /* of allocators */
	size_t stepped;	  /* of them, watched at a dear place */
	int refused;	  /* the last -errno of a probe; 0: none */
	char names[128];  /* the files of the first allocators */
};

const struct heap_watched *heap_watch_done(const struct heap_watch *w);

#endif
