/*
 * http_track_rig: a tracker with a sink that writes down what it is told.
 */
#ifndef STRANDLINE_TESTS_UNIT_HTTP_TRACK_RIG_H
#define STRANDLINE_TESTS_UNIT_HTTP_TRACK_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/buf.h"
#include "profiler/http/track.h"

#define RIG_CONNECTIONS 64

struct rig {
	struct track *track;
	struct routes *routes;
	struct buf said;
	struct buf ended;
	struct track_request last; /* to end */
	unsigned chunks;
	const char *feed_within; /* the sink breaks the rule once */
	bool close_within;
	void *track_memory;
};

static inline void rig_say_ended(struct rig *r, const struct track_request *q)
{
	r->last = *q;
	buf_printf(&r->ended, "%llu %s %u%s%s%s\n", (unsigned long long)q->key,
		   routes_text(r->routes, q->route), q->status,
		   q->flags & TRACK_CUT ? " cut" : "",
		   q->flags & TRACK_UPGRADED ? " upgraded" : "",
		   q->flags & TRACK_GUESSED ? " guessed" : "");
	buf_printf(&r->said,
		   "ended %u in %llu began %llu out %llu body %llu last %llu "
		   "bytes %llu/%llu parts %u\n",
		   q->status, (unsigned long long)q->first_in,
		   (unsigned long long)q->handler_began,
		   (unsigned long long)q->first_out,
		   (unsigned long long)q->first_body,
		   (unsigned long long)q->last_out,
		   (unsigned long long)q->bytes_in,
		   (unsigned long long)q->bytes_out, q->parts);
}

static inline void rig_break_rules(struct rig *r, uint64_t key)
{
	const char *bytes = r->feed_within;

	if (bytes) {
		struct track_feed feed = { .way = TRACK_IN,
					   .bytes = bytes,
					   .seen = strlen(bytes),
					   .total = strlen(bytes),
					   .at = 1 };

		r->feed_within = NULL;
		track_feed(r->track, key, &feed);
	}
	if (r->close_within) {
		r->close_within = false;
		track_close(r->track, key, 1);
	}
}

static inline void rig_sink(void *context, const struct track_event *ev)
{
	struct rig *r = context;
	const struct track_request *q = ev->request;
	unsigned long long at = ev->at;

	buf_printf(&r->said, "%llu: ", (unsigned long long)q->key);
	switch (ev->type) {
	case TRACK_BEGUN:
		buf_printf(&r->said, "begun %s %.*s%s\n",
			   routes_text(r->routes, q->route), (int)ev->path_len,
			   ev->path, ev->route_fresh ? " fresh" : "");
		break;
	case TRACK_HANDLED:
		buf_printf(&r->said, "handled at %llu\n", at);
		break;
	case TRACK_ANSWERED:
		buf_printf(&r->said, "answered %u at %llu\n", q->status, at);
		break;
	case TRACK_CHUNK:
		r->chunks++;
		buf_printf(&r->said, "chunk %llu at %llu\n",
			   (unsigned long long)ev->size, at);
		break;
	case TRACK_ENDED:
		rig_say_ended(r, q);
		break;
	}
	rig_break_rules(r, q->key);
}

static inline void *rig_zeroed(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) & ~(size_t)63);

	return memset(memory, 0, size);
}

static inline struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->routes = routes_init(rig_zeroed(routes_size()));
	r->track_memory = rig_zeroed(track_size(RIG_CONNECTIONS));
	r->track = track_init(r->track_memory, RIG_CONNECTIONS, r->routes,
			      rig_sink, r);
	buf_puts(&r->said, "");
	buf_puts(&r->ended, "");
	return r;
}

static inline void rig_free(struct rig *r)
{
	free(r->routes);
	free(r->track_memory);
	buf_free(&r->said);
	buf_free(&r->ended);
	free(r);
}

static inline bool rig_feed(struct rig *r, uint64_t key,
			    const struct track_feed *feed)
{
	return track_feed(r->track, key, feed);
}

static inline bool rig_seen(struct rig *r, uint64_t key, enum track_way way,
			    uint64_t at, const char *bytes, size_t len)
{
	struct track_feed feed = {
		.way = way, .bytes = bytes, .seen = len, .total = len, .at = at
	};

	return track_feed(r->track, key, &feed);
}

static inline bool rig_read(struct rig *r, uint64_t key, uint64_t at,
			    const char *text)
{
	return rig_seen(r, key, TRACK_IN, at, text, strlen(text));
}

static inline bool rig_write(struct rig *r, uint64_t key, uint64_t at,
			     const char *text)
{
	return rig_seen(r, key, TRACK_OUT, at, text, strlen(text));
}

static inline bool rig_unseen(struct rig *r, uint64_t key, enum track_way way,
			      uint64_t at, uint64_t total)
{
	struct track_feed feed = { .way = way, .total = total, .at = at };

	return track_feed(r->track, key, &feed);
}

static inline const char *rig_said(const struct rig *r)
{
	return r->said.bytes ? r->said.bytes : "";
}

static inline const char *rig_ended(const struct rig *r)
{
	return r->ended.bytes ? r->ended.bytes : "";
}

#endif
