/*
 * serve_door: the HTTP server of `serve`, which answers with texts that were
 * made before anybody asked.
 *
 * So a reader costs the same whatever the recording is like, and one who reads
 * slowly, sends half a request or sends rubbish holds a connection for ten
 * seconds and nothing else.  One thread of libmicrohttpd does the talking.
 */
#ifndef STRANDLINE_CMD_SERVE_DOOR_H
#define STRANDLINE_CMD_SERVE_DOOR_H

#include <stdint.h>

#include "reports/metrics.h"

struct door;
struct err;

struct door_counts {
	uint64_t answers;     /* by 200 */
	uint64_t refusals;    /* by another status */
	uint64_t cut_off;     /* connections that were too slow */
	uint64_t connections; /* now */
};

/*
 * Listen on @address: "HOST:PORT", "[HOST]:PORT", ":PORT" for all hosts, or
 * "PORT" on the loopback; port 0 is any that is free.  -EINVAL, or -errno with
 * a sentence.
 */
int door_open(struct door **out, const char *address, struct err *err);
void door_close(struct door *d); /* NULL is fine */

/* "127.0.0.1:9464", the port being the one that it is. */
const char *door_address(const struct door *d);

/*
 * What to answer from now on: @texts by dialect, which are copied; @trouble is
 * what /healthz says is wrong, NULL: all is well.  0 or -ENOMEM, and then the
 * old ones stay.
 */
int door_show(struct door *d, const struct buf texts[2], const char *trouble);

void door_count(struct door *d, struct door_counts *counts);

/* Which text one who sends "Accept: @accept" wants; NULL: there is none. */
enum metrics_dialect door_dialect(const char *accept);

#endif
