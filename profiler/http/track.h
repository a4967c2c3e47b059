/*
 * track: the requests that a server's connections carry, and their times.
 *
 * Feed it what was read from and written to each connection; it matches
 * answers with requests, in order, and tells each request's life.  It works
 * on bytes, so it is the same from inside the target (hooks around read and
 * write), from a probe (which sees only the first bytes of a buffer) and on
 * plaintext handed over by a TLS library.
 *
 * Connections have 64-bit keys: the fd, or pid << 32 | fd, or the address of
 * an SSL object; never 0.  Times are the caller's, any unit, any origin; 0
 * means unknown.
 *
 * Feed a read after it returned (what was read; never with MSG_PEEK) and a
 * write after it returned (what was taken of it), each iovec by itself with
 * the same time.  Call track_open() after accept and track_close() *before*
 * the real close (or shutdown of the writing side), so that the number
 * cannot be in use again.  A connection that was never opened is not
 * followed, which is how files and pipes stay out: track_follow() joins one
 * that was open before, in the middle of whatever it is doing.
 *
 * Threads: any.  Each connection has a lock which is only ever tried, for
 * about a microsecond; reader and writer of one connection may be different
 * threads and seldom meet.  Whoever does not get it (its holder was
 * preempted, or is the very thread that a signal interrupted) drops its bytes
 * and counts them, and the connection finds its place again at its next
 * message.  Events are delivered with the lock held: a sink must not feed.
 * fork: track_fork_child() in the child, before anything is fed.
 *
 * Freestanding: no allocation, memory is the caller's.
 */
#ifndef STRANDLINE_HTTP_TRACK_H
#define STRANDLINE_HTTP_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profiler/http/parse.h"
#include "profiler/http/route.h"

enum track_event_type {
	TRACK_BEGUN,	/* the request line was read: method, path, route */
	TRACK_HANDLED,	/* its head is complete: handler_began is set */
	TRACK_ANSWERED, /* the status line was written: status, first_out */
	TRACK_CHUNK, /* at, size: written of an answer that is sent in chunks,
			as events, or until close; a stream or not */
	TRACK_ENDED, /* all is known; said exactly once of each BEGUN */
};

enum track_flag {
	TRACK_STREAMED = 1, /* event stream, or parts written one by one */
	TRACK_CUT = 2,	    /* closed, or left behind, before its answer's end;
			       status 0: before its beginning */
	TRACK_UPGRADED = 4, /* the connection went on as something else */
	TRACK_GUESSED = 8,  /* its end was not seen but taken to be the last
			       write before the next request or the close */
};

struct track_request {
	uint64_t key;
	uint64_t first_in; /* first byte: its arrival if known, else its read */
	uint64_t handler_began; /* the read that completed the head returned */
	uint64_t first_out;	/* of the final answer, not of a 1xx */
	uint64_t first_body;	/* first byte of its body; 0: none */
	uint64_t last_out;
	uint64_t gap;	    /* longest pause between writes of its body;
			       0 unless streamed */
	uint64_t bytes_in;  /* head and body */
	uint64_t bytes_out; /* the same of the answer */
	uint32_t parts;	    /* chunks; writes where there are no chunks */
	uint32_t route;	    /* of routes_id(); 0: unknown */
	uint16_t status;    /* 0: no answer */
	uint8_t method;	    /* enum http_method */
	uint8_t flags;	    /* enum track_flag */
};

struct track_event {
	enum track_event_type type;
	const struct track_request *request; /* what is known by now */
	uint64_t at;			     /* time of the read or write */
	uint64_t size;			     /* TRACK_CHUNK */
	const char *path; /* TRACK_BEGUN: raw, not terminated; else NULL */
	size_t path_len;
	bool route_fresh; /* TRACK_BEGUN: the first request of its route */
};

typedef void track_sink(void *context, const struct track_event *ev);

/* All monotone; what a report says it did not see. */
enum track_count {
	TRACK_REQUESTS,	     /* ended, cut ones included */
	TRACK_CONNECTIONS,   /* followed */
	TRACK_NOT_HTTP,	     /* connections: neither of the next three */
	TRACK_TLS,	     /* connections */
	TRACK_HTTP2,	     /* connections */
	TRACK_CLIENT,	     /* connections on which we are the client */
	TRACK_UPGRADES,	     /* connections left after 101 or CONNECT */
	TRACK_FRAMING_LOST,  /* times; the request's end is a guess */
	TRACK_BUSY,	     /* feeds dropped: another thread had the lock */
	TRACK_TABLE_FULL,    /* connections not followed */
	TRACK_PIPELINE_FULL, /* requests beyond TRACK_PIPELINE_MAX */
	TRACK_NCOUNTS,
};

/* Requests of one connection that await their answers; about 1 KiB each. */
#define TRACK_PIPELINE_MAX 16

enum track_way { TRACK_IN, TRACK_OUT };

struct track_feed {
	enum track_way way;
	const void *bytes; /* the first @seen of them; NULL when seen is 0 */
	size_t seen;
	uint64_t total;	  /* that were read or written; >= seen */
	uint64_t at;	  /* when the call returned */
	uint64_t arrived; /* TRACK_IN: when the kernel had them; 0 unknown */
};

struct track;

/* For @connections at most, rounded up to a power of two of at least 64. */
size_t track_size(size_t connections);
/*
 * @memory: track_size() bytes of zeros, aligned to 64; pages are touched as
 * connections come.  @routes, @sink and @context outlive the track.
 */
struct track *track_init(void *memory, size_t connections,
			 struct routes *routes, track_sink *sink,
			 void *context);

void track_open(struct track *t, uint64_t key);
void track_follow(struct track *t, uint64_t key);
bool track_knows(const struct track *t, uint64_t key); /* one cache line */
/*
 * Nothing more will be learnt of it: not followed, or what it carries is not
 * HTTP, or not any more.  Ask when a feed was not taken, and close it then.
 */
bool track_left(struct track *t, uint64_t key);
/* False: not followed, not HTTP, or dropped. */
bool track_feed(struct track *t, uint64_t key, const struct track_feed *feed);
void track_close(struct track *t, uint64_t key, uint64_t now);

/*
 * Answers whose end is a guess (framing lost, or until close) end when
 * nothing was written for @idle; call it now and then with @idle of a second
 * or more where bytes are not seen whole.
 */
void track_sweep(struct track *t, uint64_t now, uint64_t idle);

/* The route of its youngest request that awaits its answer; 0: none. */
uint32_t track_route(struct track *t, uint64_t key);
/* Is any answer that was asked for not known to its end? */
bool track_awaits(struct track *t);

void track_fork_child(struct track *t);
uint64_t track_counted(const struct track *t, enum track_count which);
const char *track_count_name(enum track_count which);

#endif
