#include "tests/servers/load/response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void response_begin(struct response *r)
{
	memset(r, 0, sizeof(*r));
}

bool response_eof(struct response *r)
{
	if (r->part != RESPONSE_UNTIL_EOF)
		return false;
	r->part = RESPONSE_DONE;
	return true;
}

static const char *header_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0)
		return NULL;
	return line + len + strspn(line + len, " ");
}

static void end_of_head(struct response *r)
{
	if (r->status / 100 == 1)
		response_begin(r); /* the real answer follows */
	else if (r->status == 204 || r->status == 304)
		r->part = RESPONSE_DONE;
	else if (r->chunked)
		r->part = RESPONSE_CHUNK_SIZE;
	else if (!r->has_length)
		r->part = RESPONSE_UNTIL_EOF;
	else
		r->part = r->left ? RESPONSE_BODY : RESPONSE_DONE;
}

static void head_line(struct response *r)
{
	const char *value;

	if (!r->status) {
		if (sscanf(r->line, "HTTP/1.%*d %3d", &r->status) != 1)
			r->part = RESPONSE_BAD;
		r->close = strncmp(r->line, "HTTP/1.0", 8) == 0;
		return;
	}
	if (!r->line[0]) {
		end_of_head(r);
	} else if ((value = header_value(r->line, "content-length:"))) {
		r->has_length = true;
		r->left = strtoull(value, NULL, 10);
	} else if ((value = header_value(r->line, "transfer-encoding:"))) {
		r->chunked = strcasecmp(value, "chunked") == 0;
	} else if ((value = header_value(r->line, "connection:"))) {
		r->close = strcasecmp(value, "close") == 0;
	}
}

static void chunk_line(struct response *r)
{
	char *end;

	if (!r->line[0] && r->body_bytes)
		return; /* the line end after a chunk */
	r->left = strtoull(r->line, &end, 16);
	if (end == r->line)
		r->part = RESPONSE_BAD;
	else
		r->part = r->left ? RESPONSE_CHUNK : RESPONSE_TRAILER;
}

static void whole_line(struct response *r)
{
	if (r->line_len && r->line[r->line_len - 1] == '\r')
		r->line_len--;
	r->line[r->line_len] = '\0';
	r->line_len = 0;
	if (r->part == RESPONSE_HEAD)
		head_line(r);
	else if (r->part == RESPONSE_CHUNK_SIZE)
		chunk_line(r);
	else if (!r->line[0]) /* RESPONSE_TRAILER */
		r->part = RESPONSE_DONE;
}

/* Takes up to the end of a line.  Returns how much was taken. */
static size_t feed_line(struct response *r, const char *bytes, size_t len)
{
	const char *end = memchr(bytes, '\n', len);
	size_t taken = end ? (size_t)(end - bytes) : len;
	size_t room = sizeof(r->line) - 1 - r->line_len;

	memcpy(r->line + r->line_len, bytes, taken < room ? taken : room);
	r->line_len += taken < room ? taken : room;
	if (!end)
		return taken;
	whole_line(r);
	return taken + 1;
}

static size_t feed_body(struct response *r, size_t len)
{
	size_t taken = len;

	if (r->part != RESPONSE_UNTIL_EOF) {
		if (taken > r->left)
			taken = (size_t)r->left;
		r->left -= taken;
		if (!r->left)
			r->part = r->chunked ? RESPONSE_CHUNK_SIZE
					     : RESPONSE_DONE;
	}
	r->body_bytes += taken;
	return taken;
}

size_t response_feed(struct response *r, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && r->part != RESPONSE_DONE &&
	       r->part != RESPONSE_BAD) {
		if (r->part == RESPONSE_BODY || r->part == RESPONSE_CHUNK ||
		    r->part == RESPONSE_UNTIL_EOF)
			at += feed_body(r, len - at);
		else
			at += feed_line(r, bytes + at, len - at);
	}
	return at;
}
