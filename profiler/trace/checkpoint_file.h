/*
 * checkpoint_file: what a stored checkpoint is made of, for the files that
 * work on it: checkpoint_save.c, checkpoint_load.c and checkpoint_file.c (the
 * bytes, summed and gzipped).
 *
 * The file is written and read by the same version of strandline on one
 * machine, so structs go as they are; CHECKPOINT_LAYOUT tells a version apart
 * that has others.  But it travels with the recording, so nothing in it is
 * believed: a sum over all words finds damage, and every index is checked.
 * It is gzipped: most fields of most stacks are zero, and where a cap is
 * small it is the digest that fills it (6.3 MB of the bundled server in exact
 * mode become 0.4 MB in 35 ms).
 */
#ifndef STRANDLINE_TRACE_CHECKPOINT_FILE_H
#define STRANDLINE_TRACE_CHECKPOINT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "profiler/trace/fold_state.h"

#define CHECKPOINT_MAGIC 0x3254534547494400ULL /* "\0DIGEST2" */
#define CHECKPOINT_LAYOUT                                                   \
	((uint64_t)sizeof(struct fold_core) << 48 ^                         \
	 (uint64_t)sizeof(struct stack) << 36 ^                             \
	 (uint64_t)sizeof(struct fold_level) << 24 ^                        \
	 (uint64_t)sizeof(struct thread) << 12 ^                            \
	 (uint64_t)sizeof(struct checkpoint_head) << 6 ^                    \
	 sizeof(struct request_counts) ^                                    \
	 (uint64_t)sizeof(struct span_counts) << 30 ^                       \
	 (uint64_t)sizeof(struct load) << 40 ^                              \
	 (uint64_t)sizeof(struct maker_head) << 52 ^                        \
	 (uint64_t)sizeof(struct span) << 18 ^ sizeof(struct fold_window) ^ \
	 (uint64_t)sizeof(struct course_cell) << 9)

#define CHECKPOINT_CHUNK   65536u
#define CHECKPOINT_CERTAIN 0x3f800000u /* a probability of 1 */

struct checkpoint_head {
	uint64_t magic, layout;
	/* whose it is */
	uint64_t start_ticks, start_realtime_ns, seed;
	int64_t pid;
	uint64_t slabs_base;
	uint64_t threads_forgotten;
	struct fold_sum forgotten_allocated;
	/* how many of each follow, in this order */
	uint64_t stacks, levels, blocks, threads, windows, mappings, routes,
		span_names, spans, spans_forgotten, makers, cursors, kept;
};

/*
 * Blocks are most of a digest: 12 bytes each and not 32.  They go in chunks,
 * a word with the length before each, each coded by itself.
 */
struct checkpoint_chunk {
	uint64_t used;
	uint8_t bytes[CHECKPOINT_CHUNK + 8];
};

/* Of most stacks one thread made all: its sums are the stack's. */
#define MAKER_SOLE (1u << 31) /* in `thread` */

struct maker_head { /* not SOLE: the sums follow */
	uint32_t stack, thread;
};

struct checkpoint_file {
	gzFile stream;
	uint64_t sum;
	uint64_t left; /* bytes that may still be read, at the most */
	bool failed;
};

/* Open @path as gzopen() does; NULL and errno. */
gzFile checkpoint_open(const char *path, const char *mode);
/* A failure is kept in @f->failed. */
void checkpoint_put(struct checkpoint_file *f, const void *bytes, size_t size);
/* False when there are not that many. */
bool checkpoint_take(struct checkpoint_file *f, void *bytes, size_t size);

#endif
