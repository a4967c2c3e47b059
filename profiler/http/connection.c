/*
 * connection: see connection.h.
 */
#include "profiler/http/connection.h"

/* Whose answer the bytes written now belong to. */
enum whose {
	NOBODYS, /* no answer has begun */
	THE_OLDESTS,
	UNLISTEDS,   /* of a request that found no room in the queue */
	UNSOLICITED, /* of none that was seen: a 408, say */
};

static void count(const struct listener *l, enum track_count which)
{
	__atomic_fetch_add(&l->counts[which], 1, __ATOMIC_RELAXED);
}

/* At the beginning of a message, or lost before the next one. */
static void flow_begin(struct flow *f, enum http_side side, bool lost)
{
	struct http_event ev;

	http_parser_init(&f->parser, side);
	if (lost)
		http_skip(&f->parser, 1, &ev);
	f->bytes = 0;
	f->lost = lost;
}

static struct awaiting *nth(struct connection *c, unsigned i)
{
	return &c->queue[(c->oldest + i) % TRACK_PIPELINE_MAX];
}

/* Bytes written now are the oldest one's final answer. */
static bool answers_oldest(const struct connection *c)
{
	return c->answer.whose == THE_OLDESTS && !c->answer.interim;
}

/*
 * Tell @ev of the @i-th oldest, with @flags beside those of its answer; only
 * the oldest can have one.
 */
static void tell(struct connection *c, const struct listener *l, unsigned i,
		 struct track_event *ev, unsigned flags)
{
	const struct awaiting *w = nth(c, i);
	const struct answer *a = &c->answer;
	struct track_request r = {
		.key = l->key,
		.first_in = w->first_in,
		.handler_began = w->handler_began,
		.bytes_in = w->bytes_in,
		.route = w->route,
		.method = w->method,
	};

	if (!i && answers_oldest(c)) {
		r.first_out = a->first_out;
		r.first_body = a->first_body;
		r.last_out = a->last_out;
		r.gap = a->flags & TRACK_STREAMED ? a->gap : 0;
		r.bytes_out = a->bytes;
		r.parts = a->parts;
		r.status = a->status;
		r.flags = a->flags;
	}
	r.flags |= (uint8_t)flags;
	ev->request = &r;
	l->sink(l->context, ev);
}

static void reset_answer(struct connection *c)
{
	c->answer = (struct answer) { .whose = NOBODYS };
}

/* The oldest request is over; @flags beside those of its answer. */
static void end_oldest(struct connection *c, const struct listener *l,
		       uint64_t at, unsigned flags)
{
	struct track_event ev = { TRACK_ENDED, .at = at };

	if (c->reading && c->awaited == 1) {
		nth(c, 0)->bytes_in = c->in.bytes;
		c->reading = false;
	}
	tell(c, l, 0, &ev, flags);
	count(l, TRACK_REQUESTS);
	c->unlisted += nth(c, 0)->unlisted;
	c->oldest = (c->oldest + 1) % TRACK_PIPELINE_MAX;
	c->awaited--;
	reset_answer(c);
}

/* The oldest one's answer goes no further; was that its end? */
static unsigned flags_at_stop(const struct connection *c)
{
	if (answers_oldest(c) &&
	    (c->out.lost || c->answer.body == HTTP_BODY_UNTIL_CLOSE))
		return 0;
	return TRACK_CUT;
}

static void end_all(struct connection *c, const struct listener *l, uint64_t at)
{
	while (c->awaited)
		end_oldest(c, l, at, flags_at_stop(c));
	c->unlisted = 0;
}

/* What the connection carries from here on is somebody else's. */
static void leave(struct connection *c, const struct listener *l, uint64_t at,
		  enum track_count why)
{
	end_all(c, l, at);
	c->kind = CONNECTION_LEFT;
	count(l, why);
}

static enum track_count reason(enum http_foreign foreign)
{
	switch (foreign) {
	case HTTP_TLS:
		return TRACK_TLS;
	case HTTP_2:
		return TRACK_HTTP2;
	case HTTP_OTHER_WAY:
		return TRACK_CLIENT;
	default:
		return TRACK_NOT_HTTP;
	}
}

/*
 * A request is read while it is not known which answers were written.  What
 * was written since the one before was read is taken for its whole answer.
 */
static void give_up_answers(struct connection *c, const struct listener *l,
			    uint64_t at)
{
	if (answers_oldest(c))
		end_all(c, l, at);
	else
		reset_answer(c);
	/* Nor may what is left of it pass for the next one's. */
	flow_begin(&c->out, HTTP_RESPONSES, true);
}

static void request_begins(struct connection *c, const struct listener *l,
			   const struct http_event *line, uint64_t at)
{
	struct track_event ev = { TRACK_BEGUN, .at = at, .path = line->path,
				  .path_len = line->path_len };
	struct awaiting *w;

	if (c->out.lost)
		give_up_answers(c, l, at);
	if (c->awaited == TRACK_PIPELINE_MAX) {
		nth(c, c->awaited - 1u)->unlisted++;
		count(l, TRACK_PIPELINE_FULL);
		c->reading = false;
		return;
	}
	w = nth(c, c->awaited);
	*w = (struct awaiting) {
		.first_in = c->in.since,
		.bytes_in = c->in.bytes,
		.method = (uint8_t)line->method,
		.route = routes_id(l->routes, line->method, line->path,
				   line->path_len, &ev.route_fresh),
	};
	c->awaited++;
	c->reading = true;
	tell(c, l, c->awaited - 1u, &ev, 0);
}

static void request_headed(struct connection *c, const struct listener *l,
			   uint64_t at)
{
	struct track_event ev = { TRACK_HANDLED, .at = at };
	struct awaiting *w = nth(c, c->awaited - 1u);

	if (!c->reading || w->handler_began)
		return;
	w->handler_began = at;
	w->bytes_in = c->in.bytes;
	tell(c, l, c->awaited - 1u, &ev, 0);
}

static void request_ends(struct connection *c)
{
	if (c->reading)
		nth(c, c->awaited - 1u)->bytes_in = c->in.bytes;
	c->reading = false;
}

static void take_request(struct connection *c, const struct listener *l,
			 const struct http_event *ev, uint64_t at)
{
	switch (ev->type) {
	case HTTP_LINE:
		c->in.lost = false;
		request_begins(c, l, ev, at);
		break;
	case HTTP_HEADED:
		request_headed(c, l, at);
		break;
	case HTTP_END:
		request_ends(c);
		break;
	case HTTP_LOST:
		c->in.lost = true;
		count(l, TRACK_FRAMING_LOST);
		request_headed(c, l, at); /* no more of it will be seen */
		request_ends(c);
		break;
	case HTTP_NOT_HTTP:
		leave(c, l, at, reason(ev->foreign));
		break;
	default:
		break;
	}
}

/* From here on what is written belongs to the answer that is due. */
static void answer_begins(struct connection *c, uint64_t at)
{
	struct answer *a = &c->answer;

	a->first_out = c->out.since;
	a->last_out = at;
	a->bytes = c->out.bytes;
	if (c->unlisted)
		a->whose = UNLISTEDS;
	else
		a->whose = c->awaited ? THE_OLDESTS : UNSOLICITED;
}

static void answer_line(struct connection *c, const struct listener *l,
			const struct http_event *line, uint64_t at)
{
	struct track_event ev = { TRACK_ANSWERED, .at = at };
	struct answer *a = &c->answer;

	/*
	 * The answer before was lost and this shows that it is over; unless
	 * nothing is known of it and this can only be its beginning.
	 */
	if (answers_oldest(c) && (a->status || c->awaited > 1))
		end_oldest(c, l, at, 0);
	else if (a->whose == UNLISTEDS && !a->interim)
		c->unlisted--;
	reset_answer(c);
	c->out.lost = false;
	answer_begins(c, at);
	a->status = line->status;
	a->interim = line->status < 200 && line->status != 101;
	http_answering(&c->out.parser, a->whose == THE_OLDESTS
					       ? nth(c, 0)->method
					       : HTTP_OTHER);
	if (answers_oldest(c))
		tell(c, l, 0, &ev, 0);
}

static void part_written(struct connection *c, const struct listener *l,
			 uint64_t size, uint64_t at)
{
	struct track_event ev = { TRACK_CHUNK, .at = at, .size = size };

	tell(c, l, 0, &ev, 0);
}

static void body_written(struct connection *c, const struct listener *l,
			 uint64_t size, uint64_t at)
{
	struct answer *a = &c->answer;
	bool sized = a->body == HTTP_BODY_LENGTH && !a->event_stream;
	bool again = a->first_body && a->last_body != at;
	/* One chunk in several writes only found the socket full. */
	bool one_chunk = a->body == HTTP_BODY_CHUNKED && !a->parts;

	if (!a->first_body)
		a->first_body = at;
	if (again && !sized && !one_chunk)
		a->flags |= TRACK_STREAMED;
	if (again && at > a->last_body && at - a->last_body > a->gap)
		a->gap = at - a->last_body;
	a->last_body = at;
	if (a->body == HTTP_BODY_CHUNKED)
		return; /* its chunks are its parts */
	a->parts += again || !a->parts;
	if (!sized)
		part_written(c, l, size, at);
}

/* Bytes are written of which only this is known. */
static void answer_unknown(struct connection *c, uint64_t at)
{
	if (c->answer.whose == NOBODYS || c->answer.interim) {
		reset_answer(c);
		answer_begins(c, at);
	}
	if (c->answer.whose == THE_OLDESTS)
		c->answer.flags |= TRACK_GUESSED;
}

static void answer_ends(struct connection *c, const struct listener *l,
			uint64_t at)
{
	struct answer *a = &c->answer;

	if (c->out.lost) { /* found again at a chunk: no guess after all */
		c->out.lost = false;
		a->flags &= (uint8_t)~TRACK_GUESSED;
	}
	if (answers_oldest(c))
		end_oldest(c, l, at, 0);
	else if (a->whose == UNLISTEDS && !a->interim)
		c->unlisted--;
	reset_answer(c);
}

static void take_answer(struct connection *c, const struct listener *l,
			const struct http_event *ev, uint64_t at)
{
	struct answer *a = &c->answer;
	bool ours = answers_oldest(c);

	switch (ev->type) {
	case HTTP_LINE:
		answer_line(c, l, ev, at);
		break;
	case HTTP_HEADED:
		a->body = (uint8_t)ev->body;
		a->event_stream = ev->event_stream;
		if (ours && ev->event_stream)
			a->flags |= TRACK_STREAMED;
		break;
	case HTTP_DATA:
		if (ours)
			body_written(c, l, ev->size, at);
		break;
	case HTTP_CHUNK:
		if (ours) {
			a->parts++;
			part_written(c, l, ev->size, at);
		}
		break;
	case HTTP_END:
		answer_ends(c, l, at);
		break;
	case HTTP_TUNNEL:
		if (ours)
			end_oldest(c, l, at, TRACK_UPGRADED);
		leave(c, l, at, TRACK_UPGRADES);
		break;
	case HTTP_LOST:
		c->out.lost = true;
		count(l, TRACK_FRAMING_LOST);
		answer_unknown(c, at);
		break;
	case HTTP_NOT_HTTP:
		leave(c, l, at, reason(ev->foreign));
		break;
	case HTTP_MORE:
		break;
	}
}

/* The last write of the answer, and its bytes until then. */
static void note_written(struct connection *c, uint64_t n, uint64_t at)
{
	if (!n || c->answer.whose == NOBODYS)
		return;
	c->answer.bytes = c->out.bytes;
	c->answer.last_out = at;
}

/* @n bytes were consumed on the way to @ev; false: nothing follows. */
static bool take(struct connection *c, const struct listener *l,
		 const struct track_feed *feed, uint64_t n,
		 const struct http_event *ev)
{
	struct flow *f = feed->way == TRACK_IN ? &c->in : &c->out;

	f->bytes = ev->type == HTTP_LINE && f->lost ? n : f->bytes + n;
	if (feed->way == TRACK_IN) {
		take_request(c, l, ev, feed->at);
	} else {
		note_written(c, n, feed->at);
		take_answer(c, l, ev, feed->at);
		if (n && c->out.lost)
			answer_unknown(c, feed->at);
	}
	return ev->type != HTTP_MORE && c->kind == CONNECTION_HTTP;
}

/* Where a message can begin, these bytes would be its first. */
static void note_first(struct flow *f, const struct track_feed *feed)
{
	if (!f->lost && !http_between(&f->parser))
		return;
	f->since = feed->way == TRACK_IN && feed->arrived ? feed->arrived
							  : feed->at;
	if (!f->lost)
		f->bytes = 0;
}

void connection_init(struct connection *c, bool joined)
{
	flow_begin(&c->in, HTTP_REQUESTS, joined);
	flow_begin(&c->out, HTTP_RESPONSES, joined);
	reset_answer(c);
	c->last_at = 0;
	c->oldest = c->awaited = 0;
	c->reading = false;
	c->kind = CONNECTION_HTTP;
	c->unlisted = 0;
}

bool connection_feed(struct connection *c, const struct listener *l,
		     const struct track_feed *feed)
{
	struct flow *f = feed->way == TRACK_IN ? &c->in : &c->out;
	const uint8_t *bytes = feed->bytes;
	uint64_t left = feed->seen;
	struct http_event ev;
	uint64_t n;

	if (c->kind != CONNECTION_HTTP)
		return false;
	c->last_at = feed->at;
	if (left) {
		do {
			note_first(f, feed);
			n = http_parse(&f->parser, bytes, left, &ev);
			bytes += n;
			left -= n;
		} while (take(c, l, feed, n, &ev));
	}
	left = feed->total > feed->seen ? feed->total - feed->seen : 0;
	if (left && c->kind == CONNECTION_HTTP) {
		do {
			note_first(f, feed);
			n = http_skip(&f->parser, left, &ev);
			left -= n;
		} while (take(c, l, feed, n, &ev));
	}
	return c->kind == CONNECTION_HTTP;
}

void connection_missed(struct connection *c, const struct listener *l,
		       enum track_way way, uint64_t missed)
{
	struct track_feed feed = { .way = way,
				   .total = missed,
				   .at = c->last_at };

	connection_feed(c, l, &feed);
}

void connection_close(struct connection *c, const struct listener *l,
		      uint64_t now)
{
	end_all(c, l, now);
}

void connection_sweep(struct connection *c, const struct listener *l,
		      uint64_t now, uint64_t idle)
{
	struct answer *a = &c->answer;

	if (!c->awaited || !answers_oldest(c) || now < a->last_out ||
	    now - a->last_out < idle)
		return;
	if (!c->out.lost && a->body != HTTP_BODY_UNTIL_CLOSE)
		return;
	end_oldest(c, l, now, TRACK_GUESSED);
	if (c->out.lost)
		flow_begin(&c->out, HTTP_RESPONSES, true);
}

void connection_forget(struct connection *c)
{
	bool busy = c->awaited || c->unlisted || c->answer.whose != NOBODYS ||
		    !http_between(&c->in.parser) ||
		    !http_between(&c->out.parser);
	uint8_t kind = c->kind;

	connection_init(c, busy);
	c->kind = kind;
}
