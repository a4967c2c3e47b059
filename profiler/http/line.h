/*
 * line: what one line of an HTTP/1 head says.
 *
 * Of a line only the first HTTP_LINE_BEGIN and the last HTTP_LINE_TAIL bytes
 * are looked at, so that it says the same whether it came in one piece or was
 * put together.  Freestanding; pure functions.
 */
#ifndef STRANDLINE_HTTP_LINE_H
#define STRANDLINE_HTTP_LINE_H

#include "profiler/http/parse.h"

struct http_line {
	const uint8_t *begin; /* the first @kept bytes */
	const uint8_t *tail;  /* the last @tail_len bytes */
	size_t kept;
	size_t tail_len;
	size_t len; /* of the whole, without its CR and LF */
};

/* @end: behind the last of @total bytes; the LF is not one of them. */
void line_set(struct http_line *line, const uint8_t *begin, const uint8_t *end,
	      size_t total);

const uint8_t *line_feed(const uint8_t *bytes, size_t len); /* NULL: none */

/*
 * What the beginning of a connection's first line gives away: the first byte
 * that cannot be HTTP/1 decides, so that more bytes never change the answer.
 */
enum line_judgement {
	LINE_FINE,
	LINE_GARBAGE,
	LINE_TLS,
	LINE_HTTP_2,
	LINE_OTHER_WAY,
};
enum line_judgement line_judge(const uint8_t *begin, size_t len,
			       enum http_side side);

/* HTTP_OTHER: none that is known by name.  Stops at a NUL. */
enum http_method line_method(const uint8_t *name, size_t len);

/* Fills method, path, path_len and path_cut.  False: no request line. */
bool line_request(const struct http_line *line, struct http_event *ev);
/* "PRI * HTTP/2.0" */
bool line_http2(const struct http_line *line);
/* The line that a load balancer puts before the first request. */
bool line_proxy(const struct http_line *line);
/* The status, or 0: no status line. */
uint16_t line_status(const struct http_line *line);

enum line_field {
	FIELD_OTHER,
	FIELD_LENGTH,	    /* *value is it */
	FIELD_BAD_LENGTH,   /* not a number, or two different ones */
	FIELD_CHUNKED,	    /* the last transfer coding */
	FIELD_CODED,	    /* another one is the last */
	FIELD_EVENT_STREAM, /* Content-Type: text/event-stream */
};
/* By a field's first byte: line_field() would say FIELD_OTHER. */
static inline bool line_is_dull(uint8_t first)
{
	uint8_t lower = first | 0x20;

	return lower != 'c' && lower != 't' && first != '\r' && first != '\n';
}
enum line_field line_field(const struct http_line *line, uint64_t *value);

/* False: not a chunk's size. */
bool line_chunk_size(const struct http_line *line, uint64_t *size);

#endif
