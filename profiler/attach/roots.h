/*
 * roots: where in a snapshot's memory pointers can stand, and which pointers
 * the kernel keeps for the process.
 *
 * Only pages that were ever written are looked at: those of a file as it is
 * hold no pointer.  Left out are the recorder's own memory, and what lies
 * below the stack pointers of threads.  Memory that is shared with others does
 * not stand still in a snapshot; what a fork leaves out (MADV_DONTFORK) is to
 * be read from the process as it runs.
 */
#ifndef STRANDLINE_ATTACH_ROOTS_H
#define STRANDLINE_ATTACH_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/attach/mark.h"
#include "profiler/base/vec.h"

struct err;
struct snapshot;

struct roots {
	/* Each ascending. */
	struct mark_ranges memory; /* of the snapshot, its own */
	struct mark_ranges shared; /* of the snapshot, with others */
	struct mark_ranges live;   /* of the process itself */
	VEC(uint64_t) words;	   /* of epolls and timers */
	/* There are pointers in flight that cannot be seen: io_uring's. */
	bool hidden;
};

/*
 * Soon after @s was taken: the kernel's part, and what is shared, are asked of
 * the process.  0 or -errno with a sentence; roots_fini() in either case.
 */
int roots_find(struct roots *r, const struct snapshot *s, struct err *err);
void roots_fini(struct roots *r);

/* The `data` of each line of an epoll's fdinfo; 0 or -ENOMEM. */
int roots_parse_epoll(struct roots *r, const char *text);
/* The values of /proc/PID/timers; 0 or -ENOMEM. */
int roots_parse_timers(struct roots *r, const char *text);

#endif
