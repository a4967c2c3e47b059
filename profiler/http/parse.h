/*
 * parse: the bytes of one direction of one HTTP/1 connection -> events.
 *
 * A pull parser: each call consumes bytes up to the next event.  Nothing of
 * the caller's bytes is kept but the part of an unfinished line of a head, so
 * bytes may be cut anywhere; the events are the same however they were cut,
 * except that HTTP_DATA comes in the pieces in which its bytes came.
 *
 *	while ((n = http_parse(p, at, left, &ev)), ev.type != HTTP_MORE)
 *		at += n, left -= n, ... use ev ...
 *
 * Bytes that nobody saw (a probe reads only the beginning of a buffer) are
 * passed over by http_skip().  Where they hold framing, the parser is *lost*:
 * it says so once and starts again at a buffer that begins with a whole
 * request or status line, or goes on at one that begins with a chunk.
 *
 * Freestanding; no allocation.  One parser is used by one thread at a time.
 */
#ifndef STRANDLINE_HTTP_PARSE_H
#define STRANDLINE_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_side {
	HTTP_REQUESTS,	/* what a server reads */
	HTTP_RESPONSES, /* what a server writes */
};

enum http_method {
	HTTP_OTHER, /* a method that is none of these */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_CONNECT,
	HTTP_OPTIONS,
	HTTP_TRACE,
	HTTP_PATCH,
	HTTP_NMETHODS,
};

const char *http_method_name(enum http_method method); /* "_OTHER", "GET" */

enum http_event_type {
	HTTP_MORE,     /* everything was consumed */
	HTTP_LINE,     /* the first line of a message: method, path or status */
	HTTP_HEADED,   /* its head is complete: body, length, event_stream */
	HTTP_DATA,     /* size bytes of its body, chunk headers not counted */
	HTTP_CHUNK,    /* a chunk of size bytes is complete */
	HTTP_END,      /* the message is complete */
	HTTP_TUNNEL,   /* upgraded or connected: the rest is not HTTP/1 */
	HTTP_LOST,     /* where the message ends is not known any more */
	HTTP_NOT_HTTP, /* see foreign; the rest is passed over */
};

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH, /* length bytes */
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_CLOSE,
};

enum http_foreign {
	HTTP_GARBAGE,
	HTTP_TLS,	/* a ClientHello */
	HTTP_2,		/* its preface, with prior knowledge */
	HTTP_OTHER_WAY, /* a response where requests come, or the reverse:
			   this process is the client of that connection */
};

struct http_event {
	enum http_event_type type;
	enum http_method method;
	enum http_body body;
	enum http_foreign foreign;
	uint16_t status;
	bool event_stream; /* Content-Type: text/event-stream */
	bool path_cut;	   /* longer than HTTP_PATH_MAX */
	uint8_t path_len;
	const char *path; /* until the next call; no query, no authority */
	uint64_t length;
	uint64_t size;
};

#define HTTP_PATH_MAX 160
/* A line's first bytes, for the path; its last ones, for the version. */
#define HTTP_LINE_BEGIN 180
#define HTTP_LINE_TAIL	12

struct http_parser {
	uint64_t left;	     /* of the body or of the chunk */
	uint64_t chunk_size; /* of the chunk being read */
	uint64_t length;     /* Content-Length */
	uint32_t line_total; /* bytes of the line so far */
	uint32_t head_total; /* bytes of the head so far */
	uint8_t state;
	uint8_t side;
	uint8_t answering; /* enum http_method of the request answered */
	uint8_t headers;   /* what the head said, parse.c */
	uint16_t status;
	uint8_t body;
	uint8_t began; /* enum http_method of the message being read */
	uint8_t line[HTTP_LINE_BEGIN];
	uint8_t tail[HTTP_LINE_TAIL];
};

void http_parser_init(struct http_parser *p, enum http_side side);

/*
 * Which method the next response answers: a response to HEAD has no body, one
 * to CONNECT may begin a tunnel.  Ask before its head is complete.
 */
void http_answering(struct http_parser *p, enum http_method method);

/*
 * Consume bytes up to the next event.  Returns how many; the caller comes back
 * with the rest until the event is HTTP_MORE.
 */
size_t http_parse(struct http_parser *p, const uint8_t *bytes, size_t len,
		  struct http_event *ev);

/* The same for @count bytes of which only the number is known. */
uint64_t http_skip(struct http_parser *p, uint64_t count,
		   struct http_event *ev);

/* True between messages: nothing of the next one was seen. */
bool http_between(const struct http_parser *p);

#endif
