/*
 * push_http: one profile in one request.
 */
#ifndef STRANDLINE_CMD_PUSH_HTTP_H
#define STRANDLINE_CMD_PUSH_HTTP_H

#include <stdatomic.h>
#include <stdint.h>

#include "profiler/base/buf.h"
#include "profiler/base/err.h"
#include "profiler/cmd/push.h"

struct parcel { /* a profile under way */
	struct buf profile;
	char *service;
	uint64_t from_ns, until_ns;
};

enum push_outcome {
	PUSH_TAKEN,
	PUSH_LATER, /* worth another try */
	PUSH_NEVER, /* it will not be taken */
};

struct push_http;

int push_http_open(struct push_http **out, const struct push_options *opt,
		   struct err *err);
void push_http_close(struct push_http *h); /* NULL is fine */

/*
 * Send it.  What is not taken has a reason in @why, and may have a least time
 * to wait in *@wait_ns.  Given up once *@give_up_ns, a monotonic time, is
 * past.
 */
enum push_outcome push_http_send(struct push_http *h,
				 const struct parcel *parcel,
				 atomic_ullong *give_up_ns, uint64_t *wait_ns,
				 struct err *why);

#endif
