/*
 * ticker: a thread that does something at an interval until it is stopped.
 */
#ifndef STRANDLINE_CMD_TICKER_H
#define STRANDLINE_CMD_TICKER_H

#include <stdint.h>

struct ticker;

/*
 * Call @tick with @ctx each @interval_ns, the first time after one.  Signals
 * that the caller blocks are blocked there too.  0 or -errno.
 */
int ticker_start(struct ticker **out, uint64_t interval_ns,
		 void (*tick)(void *ctx), void *ctx);
/* Waits for a call in hand; none comes after it.  NULL is fine. */
void ticker_stop(struct ticker *t);

#endif
