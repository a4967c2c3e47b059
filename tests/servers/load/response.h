/*
 * response: follow the bytes of HTTP/1.1 answers on one connection.
 *
 * Fed with what was read, in pieces of any size; says when an answer is whole
 * and where the next begins.  Knows Content-Length, chunked, and bodies that
 * end with the connection.
 */
#ifndef LOAD_RESPONSE_H
#define LOAD_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_part {
	RESPONSE_HEAD,
	RESPONSE_BODY, /* `left` bytes to go */
	RESPONSE_UNTIL_EOF,
	RESPONSE_CHUNK_SIZE,
	RESPONSE_CHUNK, /* `left` bytes to go, then a line end */
	RESPONSE_TRAILER,
	RESPONSE_DONE,
	RESPONSE_BAD,
};

struct response {
	enum response_part part;
	int status;
	bool close; /* the server ends the connection after it */
	uint64_t left;
	uint64_t body_bytes;
	size_t line_len;
	char line[1024]; /* the head's line being read; longer ones are cut */
	bool chunked, has_length;
};

void response_begin(struct response *r);
/* Returns how many of the bytes belong to this answer. */
size_t response_feed(struct response *r, const char *bytes, size_t len);
/* The connection ended.  True: that was how the body said its end. */
bool response_eof(struct response *r);

#endif
