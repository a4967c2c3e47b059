/*
 * push: profiles to a store, Pyroscope's or Parca's, or one that takes the
 * same.
 *
 * A profile waits in a queue of bounded size until the store has taken it.  A
 * store that is away, overwhelmed or broken is tried again, ever less often;
 * what the queue has no more room for is lost, oldest first, and counted.
 * A thread of its own does the sending.
 */
#ifndef STRANDLINE_CMD_PUSH_H
#define STRANDLINE_CMD_PUSH_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct push;

enum push_api {
	PUSH_INGEST,   /* Pyroscope's POST /ingest */
	PUSH_WRITERAW, /* Parca's POST /api/profiles/writeraw */
};

struct push_options {
	const char *url; /* without a path: the API's own is added */
	enum push_api api;
	const char *auth_file; /* "user:password" or a bearer token, or NULL */
	const char *ca_file;   /* PEM, or NULL: the system's */
	const char *const *labels; /* "NAME=VALUE", of every profile */
	size_t label_count;
	uint64_t pause_ns; /* before the first retry; then ever longer */
};

struct push_counts {
	uint64_t sent;	  /* taken by the store */
	uint64_t retries; /* failures that were tried again */
	uint64_t dropped; /* lost: the queue was full */
	uint64_t refused; /* lost: the store will never take them */
	uint64_t queued;  /* waiting now */
};

/* -EINVAL for an URL or a label that is none; all strings must outlive it. */
int push_start(struct push **out, const struct push_options *opt,
	       struct err *err);
/*
 * Hand a gzipped pprof of @service over, from @from to @until (ns since 1970);
 * @profile is empty afterwards.
 */
void push_add(struct push *p, struct buf *profile, const char *service,
	      uint64_t from_ns, uint64_t until_ns);
void push_count(struct push *p, struct push_counts *counts);
/*
 * Give what waits five seconds, and end.  @counts, where not NULL, are the
 * last; what is `queued` then is lost.  NULL is fine.
 */
void push_stop(struct push *p, struct push_counts *counts);

#endif
