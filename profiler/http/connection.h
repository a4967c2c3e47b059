/*
 * connection: one connection's requests, from their first byte to the last of
 * their answers.
 *
 * Two parsers, one for each way, and between them the requests that await
 * their answers, oldest first.  The caller (track.c) holds the connection's
 * lock.  Freestanding; no allocation.
 */
#ifndef STRANDLINE_HTTP_CONNECTION_H
#define STRANDLINE_HTTP_CONNECTION_H

#include "profiler/http/track.h"

/* Read, and not yet answered to its end. */
struct awaiting {
	uint64_t first_in;
	uint64_t handler_began;
	uint64_t bytes_in;
	uint32_t route;
	uint16_t unlisted; /* requests after it that found no room */
	uint8_t method;
};

/* What of the oldest one's answer was written. */
struct answer {
	uint64_t first_out;
	uint64_t first_body;
	uint64_t last_out;
	uint64_t last_body;
	uint64_t gap;
	uint64_t bytes;
	uint32_t parts;
	uint16_t status;
	uint8_t flags; /* enum track_flag */
	uint8_t whose; /* enum whose, connection.c */
	bool event_stream;
	bool interim; /* this message is a 1xx, the answer is to come */
	uint8_t body; /* enum http_body */
};

/* One way. */
struct flow {
	struct http_parser parser;
	uint64_t since; /* the message being read: its first byte */
	uint64_t bytes; /* of it */
	bool lost;
};

enum connection_kind {
	CONNECTION_HTTP,
	CONNECTION_LEFT, /* what it carries now is not followed */
};

struct connection {
	struct flow in, out;
	struct answer answer;
	struct awaiting queue[TRACK_PIPELINE_MAX];
	uint64_t last_at; /* of any read or write */
	uint8_t oldest;	  /* index into queue */
	uint8_t awaited;  /* how many are in it */
	bool reading;	  /* the youngest one is not read to its end */
	uint8_t kind;
	uint32_t unlisted; /* answers to pass over before the oldest's */
};

/* Whom its events go to. */
struct listener {
	struct routes *routes;
	track_sink *sink;
	void *context;
	uint64_t *counts; /* TRACK_NCOUNTS, atomic */
	uint64_t key;
};

/* @joined: in the middle of whatever it is doing. */
void connection_init(struct connection *c, bool joined);

bool connection_feed(struct connection *c, const struct listener *l,
		     const struct track_feed *feed);

/* @count bytes went by that nobody looked at. */
void connection_missed(struct connection *c, const struct listener *l,
		       enum track_way way, uint64_t count);

void connection_close(struct connection *c, const struct listener *l,
		      uint64_t now);

/* End the answer whose end is a guess, if nothing was written for @idle. */
void connection_sweep(struct connection *c, const struct listener *l,
		      uint64_t now, uint64_t idle);

/* Forget what is in flight, without a word; go on with the next message. */
void connection_forget(struct connection *c);

#endif
