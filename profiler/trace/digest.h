/*
 * digest: gives the space of a recording in progress back, so that an exact
 * recording can run for hours within its cap.
 *
 * Events of full slabs are folded into per-stack sums, which are stored in
 * FILE.digest; then the slabs are punched out of the file.  The order of
 * these steps is such that a kill between any two of them loses nothing and
 * counts nothing twice (checkpoint.h).  Nothing waits for the target, and the
 * target waits for nothing.
 *
 * Single-threaded.  Of two digesters of one file the later one stands by.
 */
#ifndef STRANDLINE_TRACE_DIGEST_H
#define STRANDLINE_TRACE_DIGEST_H

#include <stdint.h>

struct digest;
struct err;

/* @dir is a recording's directory, whose files may come later. */
int digest_open(struct digest **out, const char *dir, struct err *err);
void digest_close(struct digest *d); /* NULL is fine */

/*
 * Call about once a second.  Tells each process's shim that somebody keeps
 * the space (slab_control.keeper_ns), and digests when a quarter of what there
 * may be is held, the fullest files first.  -errno with a sentence to show
 * once: that file is as it was, and polling goes on.
 */
int digest_poll(struct digest *d, struct err *err);

/* Digest every file now, events up to @until_ns (CLOCK_MONOTONIC). */
int digest_flush(struct digest *d, uint64_t until_ns, struct err *err);

#endif
