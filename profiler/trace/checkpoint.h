/*
 * checkpoint: how far the events of one .slabs file have been folded, and to
 * what.  Stored beside it as FILE.digest, so that slabs that are wholly
 * folded can be given back; a reader begins from there.
 *
 * The cursors say of every slab that still has bytes how much of it is in the
 * fold.  So whoever dies between storing a checkpoint and giving slabs back
 * loses nothing and counts nothing twice.
 */
#ifndef STRANDLINE_TRACE_CHECKPOINT_H
#define STRANDLINE_TRACE_CHECKPOINT_H

#include "profiler/trace/events.h"
#include "profiler/trace/fold.h"
#include "profiler/trace/slabfile.h"

#define CHECKPOINT_SUFFIX ".digest"

struct checkpoint {
	struct fold *fold;
	struct cursors cursors;
	struct slablist slabs;
	uint64_t bad_heads; /* slabs that are none, at the latest survey */
};

/* Nothing folded yet.  0 or -ENOMEM. */
int checkpoint_init(struct checkpoint *c, const struct slab_file *header);
void checkpoint_fini(struct checkpoint *c); /* zeroed is fine */
/*
 * Look for slabs that @c does not know: EVENTS slabs get a cursor, the
 * others go to @other.  0 or -errno.
 */
int checkpoint_survey(struct checkpoint *c, int fd, slabfile_visit *other,
		      void *context);
/* Fold events up to @until ticks.  0 or -errno. */
int checkpoint_fold(struct checkpoint *c, int fd, uint64_t until);
/* The slabs @numbers (ascending) are gone. */
void checkpoint_forget(struct checkpoint *c, const uint64_t *numbers,
		       size_t count);

/*
 * To and from a file (checkpoint_save.c, checkpoint_load.c).  save replaces
 * @path by way of PATH.tmp; it does not wait for the disk, so this holds
 * against kill -9 and not against a power cut.  load checks every byte:
 * -ENOENT, -EBADMSG (damaged, or of another recording than @header's),
 * -EPROTO (of another version), -ENOMEM; @c is then as after a fini.
 */
int checkpoint_save(const struct checkpoint *c, const char *path,
		    const struct slab_file *header, struct err *err);
int checkpoint_load(struct checkpoint *c, const char *path,
		    const struct slab_file *header, struct err *err);
/* The sum over @size bytes, a multiple of 8, that ends such a file. */
uint64_t checkpoint_sum(uint64_t sum, const void *bytes, size_t size);

#endif
