/*
 * roots: where in a snapshot's memory pointers can stand, and which pointers
 * the kernel keeps for the process.
 *
 * Only pages that were ever written are looked at: those of a file as it is
 * hold no pointer.  Left out are the recorder's own memory, and what lies
 * below the stack pointers of threads.  What a fork does not copy (memory
 * shared with others, MADV_DONTFORK) is read from the process as it runs.
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
	struct mark_ranges memory; /* of the snapshot, ascending */
	struct mark_ranges live;   /* of the process itself, ascending */
	VEC(uint64_t) words;	   /* of epolls and timers */
	/* There are pointers in flight that cannot be seen: io_uring's. */
	bool hidden;
};

/* 0 or -errno with a sentence; roots_fini() in either case. */
int roots_find(struct roots *r, const struct snapshot *s, struct err *err);
void roots_fini(struct roots *r);

/* The `data` of each line of an epoll's fdinfo; 0 or -ENOMEM. */
int roots_parse_epoll(struct roots *r, const char *text);
/* The values of /proc/PID/timers; 0 or -ENOMEM. */
int roots_parse_timers(struct roots *r, const char *text);

#endif
