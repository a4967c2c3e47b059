/*
 * lately: what the threads of the targets did of late, moment by moment.
 *
 * That a request was slow is known when it is over.  Probes tell of what ran
 * and what waited as they see it; the latest of it is kept in a ring, and when
 * a slow request ends, what its threads did meanwhile is taken from there.
 * Memory is bounded: the oldest moments are forgotten.  Single-threaded.
 */
#ifndef STRANDLINE_PROBE_LATELY_H
#define STRANDLINE_PROBE_LATELY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profiler/wire/record.h"

struct lately;

struct lately_moment {
	uint64_t from_ns, until_ns; /* CLOCK_MONOTONIC; equal: a sample */
	uint64_t ns;		    /* it stands for; at most all between */
	pid_t pid, tid;
	uint32_t node; /* of the process's file */
	uint8_t kind;  /* WEIGHT_CPU or WEIGHT_OFFCPU */
	uint8_t why;   /* OFFCPU: enum wire_blocked */
};

struct lately_request {
	pid_t pid;
	pid_t reader, writer; /* the threads; 0: unknown */
	uint64_t arrived_ns;  /* as in its WIRE_SLOW */
	uint64_t read_ns, last_ns;
	uint32_t route;
};

struct lately *lately_new(void); /* NULL: out of memory */
void lately_free(struct lately *l);

void lately_add(struct lately *l, const struct lately_moment *m);
/* It is told at the next lately_settle(): what the other probes saw of it may
 * be on its way still. */
void lately_ended(struct lately *l, const struct lately_request *r);

/*
 * Of each request that has ended what was seen meanwhile, the most first, in
 * no more than LATELY_PARTS parts; nothing of those of which nothing was.
 */
#define LATELY_PARTS 80
typedef void lately_tell(void *context, const struct lately_request *r,
			 const struct wire_slow_part *parts, size_t count);
void lately_settle(struct lately *l, lately_tell *tell, void *context);

/* Requests of which nothing is told, since too many ended at once. */
uint64_t lately_lost(const struct lately *l);

#endif
