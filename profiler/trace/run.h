/*
 * run: the records of one EVENTS slab, decoded a batch at a time.
 *
 * A slab is read in pieces of a page, so a recording by ten thousand idle
 * threads can be merged in little memory.  Reading may stop anywhere and go
 * on later, by a cursor, in a slab that is still being written.
 */
#ifndef STRANDLINE_TRACE_RUN_H
#define STRANDLINE_TRACE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/trace/fold.h"
#include "profiler/wire/slab.h"

/* Where to go on in a slab; stored in digests as it is. */
struct cursor {
	uint64_t slab;
	uint64_t ticks; /* delta bases: what a record's are added to */
	uint64_t addr;	/* >> 3 */
	uint64_t mean;
	uint32_t offset; /* bytes of records that are done with */
	int32_t tid;	 /* who wrote up to there */
};

#define RUN_BATCH 128
#define RUN_CHUNK 4096
#define RUN_SLACK 96 /* decoding a record loads no further than this */

struct run {
	struct cursor *cursor;
	struct fold_lane lane;
	struct run *next;		   /* in a list of unused ones */
	const struct fold_event *at, *end; /* decoded, not yet applied */
	uint32_t used;			   /* bytes of records in the slab */
	/* decoding goes on here */
	const uint8_t *byte, *bytes_end;
	uint64_t ticks, addr;
	uint32_t read; /* bytes of records read so far */
	/* where this batch began */
	const uint8_t *batch_byte;
	uint64_t batch_ticks, batch_addr;
	bool torn;
	struct fold_event batch[RUN_BATCH];
	uint8_t bytes[RUN_CHUNK + RUN_SLACK];
};

/*
 * Begin at @cursor.  1: r->at is the first event; 0: there is none now;
 * -errno of a read.
 */
int run_open(struct run *r, int fd, struct cursor *cursor,
	     const struct fold *f);
/* The next batch, when r->at has reached r->end.  As run_open. */
int run_fill(struct run *r, int fd);
/* Move the cursor past what was applied.  What was torn is passed over. */
void run_close(struct run *r);

#endif
