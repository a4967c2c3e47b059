/*
 * source: one <pid>.slabs file of a recording in progress, and how much of it
 * has been digested.
 */
#ifndef STRANDLINE_TRACE_SOURCE_H
#define STRANDLINE_TRACE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/trace/checkpoint.h"

struct source {
	char *path;
	int fd;	    /* open and locked while `checkpoint` is in memory; or -1 */
	bool ours;  /* false: not looked at any more: ended, or beyond us */
	bool ended; /* its process has, in good order */
	bool said;  /* its trouble has been told */
	unsigned idle, wait; /* looks without news; looks to leave out */
	uint64_t activity;
	uint64_t held, cap; /* slabs, at the latest look */
	struct checkpoint checkpoint;
};

int source_init(struct source *s, const char *dir, const char *name);
void source_fini(struct source *s);
/* Read its header, and tell its shim that we are there at @now_ns. */
void source_look(struct source *s, uint64_t now_ns);
/*
 * Fold up to @until_ns and give back what has been folded; of a process that
 * has ended all of it, and for the last time.  0 or -errno.
 */
int source_digest(struct source *s, uint64_t until_ns, struct err *err);

#endif
