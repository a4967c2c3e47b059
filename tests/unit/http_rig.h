/*
 * http_rig: what a parser or a tracker says, as text to compare.
 *
 * Pieces of a body that follow each other are one ("data 12"), as where they
 * were cut is not the parser's doing.
 */
#ifndef STRANDLINE_TESTS_UNIT_HTTP_RIG_H
#define STRANDLINE_TESTS_UNIT_HTTP_RIG_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/http/parse.h"
#include "profiler/http/track.h"

struct said {
	struct buf text;
	uint64_t body; /* pieces not yet said */
};

static inline void said_body(struct said *s)
{
	if (s->body)
		buf_printf(&s->text, "data %llu\n",
			   (unsigned long long)s->body);
	s->body = 0;
}

static inline void say_headed(struct buf *b, const struct http_event *ev)
{
	static const char *const body[] = { "none", "length", "chunked",
					    "until close" };

	buf_printf(b, "headed %s", body[ev->body]);
	if (ev->body == HTTP_BODY_LENGTH)
		buf_printf(b, " %llu", (unsigned long long)ev->length);
	buf_printf(b, "%s\n", ev->event_stream ? " events" : "");
}

static inline void say_line(struct buf *b, const struct http_event *ev)
{
	if (ev->status)
		buf_printf(b, "%u\n", ev->status);
	else
		buf_printf(b, "%s %.*s%s\n", http_method_name(ev->method),
			   ev->path_len, ev->path, ev->path_cut ? "..." : "");
}

static inline void said_event(struct said *s, const struct http_event *ev)
{
	static const char *const foreign[] = { "garbage", "tls", "http2",
					       "other way" };

	if (ev->type == HTTP_DATA) {
		s->body += ev->size;
		return;
	}
	if (ev->type == HTTP_MORE)
		return;
	said_body(s);
	if (ev->type == HTTP_LINE)
		say_line(&s->text, ev);
	else if (ev->type == HTTP_HEADED)
		say_headed(&s->text, ev);
	else if (ev->type == HTTP_CHUNK)
		buf_printf(&s->text, "chunk %llu\n",
			   (unsigned long long)ev->size);
	else if (ev->type == HTTP_NOT_HTTP)
		buf_puts(&s->text, foreign[ev->foreign]);
	else
		buf_puts(&s->text, ev->type == HTTP_END	     ? "end\n"
				   : ev->type == HTTP_TUNNEL ? "tunnel\n"
							     : "lost\n");
}

/* Feed @len bytes, seen. */
static inline void said_parse(struct said *s, struct http_parser *p,
			      const char *bytes, size_t len)
{
	/* Exactly as large, so that a sanitizer sees what reads past it. */
	uint8_t *copy = malloc(len + !len);
	struct http_event ev;
	size_t at = 0;

	if (len)
		memcpy(copy, bytes, len);
	do {
		at += http_parse(p, copy + at, len - at, &ev);
		said_event(s, &ev);
	} while (ev.type != HTTP_MORE);
	free(copy);
}

/* @len bytes, unseen. */
static inline void said_skip(struct said *s, struct http_parser *p,
			     uint64_t len)
{
	struct http_event ev;

	do {
		len -= http_skip(p, len, &ev);
		said_event(s, &ev);
	} while (ev.type != HTTP_MORE);
}

static inline const char *said(struct said *s)
{
	said_body(s);
	return s->text.bytes ? s->text.bytes : "";
}

static inline void said_fini(struct said *s)
{
	buf_free(&s->text);
}

#endif
