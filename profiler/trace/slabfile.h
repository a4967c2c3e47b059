/*
 * slabfile: the frame of a .slabs file: its header, and which slabs there
 * are.  What a slab holds is for others.  Every byte is foreign.
 */
#ifndef STRANDLINE_TRACE_SLABFILE_H
#define STRANDLINE_TRACE_SLABFILE_H

#include <stdint.h>

#include "profiler/base/vec.h"
#include "profiler/wire/record.h"
#include "profiler/wire/slab.h"

struct err;

/* Is it the name of a process's file: <pid>.slabs, <pid>.<image>.slabs? */
bool slabfile_is_image(const char *name);
/* Is it what probes saw of one: <pid>.probe.slabs, <pid>.<n>.probe.slabs? */
bool slabfile_is_probed(const char *name);

/* Slab numbers stay far below where file offsets would overflow. */
#define SLABFILE_SLABS_MAX (1ULL << 40)

/*
 * Read and check the header of @fd; @name is for the sentence.  -EBADMSG,
 * -EPROTO (newer format) or -errno.
 */
int slabfile_header(int fd, const char *name, struct slab_file *header,
		    struct err *err);

/* Which slabs to look at: those in `kept`, and all from `base` on. */
struct slablist {
	uint64_t base;
	VEC(uint64_t) kept; /* ascending, all below base */
};

/* A slab that has begun.  0, or -errno to end the scan. */
typedef int slabfile_visit(void *context, uint64_t number,
			   const struct slab_head *head);

/*
 * Visit the slabs of @fd in @slabs, which then lists all there were, begun
 * or not.  @torn counts heads that are none.  0 or -errno.
 */
int slabfile_scan(int fd, struct slablist *slabs, uint64_t *torn,
		  slabfile_visit *visit, void *context);
/* Strike @numbers (ascending) off the list. */
void slabfile_forget(struct slablist *slabs, const uint64_t *numbers,
		     size_t count);

/*
 * Read slab @number whole into @bytes[SLAB_SIZE].  The bytes there were, 0
 * when there was no head.
 */
size_t slabfile_read(int fd, uint64_t number, uint8_t *bytes);
/*
 * Hand out the records with a length in @slab, of which @size bytes were
 * read, until they end or one is damaged.  0, or what @visit ended it with.
 */
int slabfile_records(const uint8_t *slab, size_t size, bool *torn,
		     int (*visit)(void *context, const struct wire_head *w),
		     void *context);

#endif
