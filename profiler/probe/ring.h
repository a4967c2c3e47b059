/*
 * ring: what a program in the kernel tells, read from its ring buffer.
 *
 * A ring's memory is the kernel's.  libbpf maps it twice over, so that what
 * goes over its end can be read in one piece, and so it counts twice in our
 * resident memory; here only as much of the second copy is mapped as the
 * largest event can need.
 */
#ifndef STRANDLINE_PROBE_RING_H
#define STRANDLINE_PROBE_RING_H

#include <stddef.h>

struct ring;

/* What one event may have; ours have less than a tenth of it. */
#define RING_EVENT_MOST 65536

/* @bytes are valid until it returns; below 0 ends ring_consume() with it. */
typedef int ring_sink(void *context, void *bytes, size_t size);

/*
 * Of a map of @size bytes, which @fd stays open for.  0, or -errno with *@out
 * NULL.  Who has a struct bpf_map asks probes_ring().
 */
int ring_open(struct ring **out, int fd, size_t size, ring_sink *sink,
	      void *context);
void ring_close(struct ring *r); /* NULL is fine */

/* Hands over all that is there.  0, or below it what the sink returned. */
int ring_consume(struct ring *r);

/* Readable when there is something; the map's own, not to be closed. */
int ring_fd(const struct ring *r);

#endif
