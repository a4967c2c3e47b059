/*
 * load: do the clients of a server wait for their answers?
 *
 * In an open loop requests come when they come.  In a closed one each client
 * asks again once it was answered: a stall of the server then also stops the
 * requests that would have met it, and percentiles look better than they are
 * (coordinated omission).  Which it is shows in how many others are in flight
 * when a request arrives: of clients that wait it is all of them but one, time
 * and again, while independent arrivals find a number that varies by as much as
 * its mean (Poisson arrivals see time averages).
 *
 * Looked at are consecutive requests, LOAD_BATCH at a time, so that a load that
 * changes is judged piece by piece.  Times are in any unit.
 *
 * Single-threaded.  No pointers: stored and copied as it is.
 */
#ifndef STRANDLINE_LATENCY_LOAD_H
#define STRANDLINE_LATENCY_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_BATCH    2048u
#define LOAD_SEGMENTS 64u

enum load_kind {
	LOAD_UNKNOWN, /* too few requests to tell */
	LOAD_OPEN,
	LOAD_CLOSED,
};

struct load_span {
	uint64_t from, to; /* arrival, last byte of the answer */
};

struct load_segment {	 /* what one batch showed */
	double judged;	 /* arrivals */
	double clients;	 /* as many were in flight at a time, at most */
	double cycle;	 /* between two requests of one client */
	uint64_t closed; /* 0 or 1 */
};

struct load {
	struct load_span batch[LOAD_BATCH];
	struct load_segment segments[LOAD_SEGMENTS];
	uint64_t count, segment_count;
	uint64_t batches, stride; /* each stride-th batch is kept */
};

struct load_shape {
	enum load_kind kind;
	double clients; /* of a closed loop; else 0 */
	double cycle;	/* as is usual; of a closed loop */
	double judged;	/* arrivals behind it */
};

/* A request was answered; in the order of @to, but for a few. */
void load_add(struct load *l, uint64_t from, uint64_t to);
/* What all that was added shows. */
struct load_shape load_shape(const struct load *l);
/* Could @l, read from a file, have been collected? */
bool load_sound(const struct load *l);

#endif
