/*
 * arrival: since when the bytes that a thread reads have been there.
 *
 * A read tells when the server got to a request, not when it came; from inside
 * that can be known no better than by the waits for events before it.
 */
#ifndef STRANDLINE_PRELOAD_ARRIVAL_H
#define STRANDLINE_PRELOAD_ARRIVAL_H

#include "preload/requests.h"

#define ARRIVAL_SLEPT_NS 20000u /* a call that took as long has slept */

/* Longer than a call that had nothing to wait for. */
static inline uint64_t arrival_slept_ticks(void)
{
	return shim.second_ticks / (1000000000u / ARRIVAL_SLEPT_NS);
}

static inline bool arrival_slept(uint64_t ticks)
{
	return ticks > arrival_slept_ticks();
}

/* After a wait for events; @epoll: on that descriptor, or -1. */
void arrival_waited(int epoll, uint64_t since);
/* Of what a read of @fd, from @since to @now, has got; ticks. */
uint64_t arrival_of(int fd, const struct requests_fd *e, uint64_t since,
		    uint64_t now);

#endif
