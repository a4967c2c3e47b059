/*
 * quota: what a recording in progress holds on disk, and may hold (wire/
 * quota.h), from the side of the strandline process.
 */
#ifndef STRANDLINE_TRACE_QUOTA_H
#define STRANDLINE_TRACE_QUOTA_H

#include <stdint.h>

#include "profiler/wire/quota.h"

struct err;

/*
 * Make the quota of the recording @dir, open to those that a server of root's
 * becomes.  0, or -errno with a sentence.
 */
int quota_create(const char *dir, uint64_t max_bytes, struct err *err);

/* The quota of @dir, mapped, or NULL: it has none (yet). */
struct wire_quota *quota_open(const char *dir);
void quota_close(struct wire_quota *q); /* NULL is fine */

struct quota_share {   /* bytes */
	uint64_t held; /* by slabs, and what else is no digest */
	uint64_t most; /* that is left for them */
};

/*
 * Set the sum right by what the files of @dir hold.  Digests count up to half
 * of what there may be, so that there is always room to record on.
 */
struct quota_share quota_settle(struct wire_quota *q, const char *dir);

/* Processes that could not begin a file in @dir. */
uint64_t quota_unrecorded(const char *dir);

/* Bytes on disk of all files of @dir, and of the digests among them. */
uint64_t quota_disk_bytes(const char *dir, uint64_t *digests);

#endif
