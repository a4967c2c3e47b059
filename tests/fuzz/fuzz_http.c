/*
 * Any bytes, cut anywhere, in part unseen, as what two connections carry: no
 * fault, no read outside, the same events however they are cut, and requests
 * whose lives are in order:
 *
 *	begun, then handled, answered, chunks, ended, each at most once (but
 *	chunks); ended in the order in which they began, all of them once the
 *	connection is closed, and as many as are counted.
 *
 * The input is a list of steps.  A step is a byte that says what (write or
 * read, on which connection, with unseen bytes behind or an arrival before;
 * a sweep, or a close and an opening, first), a byte for its length (255: all
 * that is left), and its bytes.
 *
 * Reaches parse, line, connection, track, route, normal.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/http/track.h"

#define CONNECTIONS 64

#define HOLD(what)               \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

/* What is known of the requests of one connection. */
struct life {
	unsigned begun;
	unsigned handled;
	unsigned ended;
	bool answered; /* the oldest */
	uint64_t last_at;
};

static struct {
	struct track *track;
	struct routes *routes;
	void *track_memory, *routes_memory;
	size_t track_size;
	struct life lives[3]; /* by key */
	uint64_t now;
} rig;

static void check_times(const struct track_request *q)
{
	HOLD(q->first_in <= rig.now && q->handler_began <= rig.now);
	HOLD(!q->handler_began || q->first_in <= q->handler_began);
	HOLD(q->last_out >= q->first_out && q->last_out <= rig.now);
	HOLD(!q->first_body || q->first_body >= q->first_out);
	HOLD(!q->gap || q->flags & TRACK_STREAMED);
	HOLD(q->gap <= q->last_out - q->first_out);
	HOLD(q->status < 1000);
}

static void sink(void *context, const struct track_event *ev)
{
	const struct track_request *q = ev->request;
	struct life *life = &rig.lives[q->key];

	(void)context;
	HOLD(q->key == 1 || q->key == 2);
	HOLD(ev->at <= rig.now);
	HOLD(q->route <= routes_count(rig.routes));
	check_times(q);
	switch (ev->type) {
	case TRACK_BEGUN:
		HOLD(life->begun - life->ended < TRACK_PIPELINE_MAX);
		HOLD(ev->path_len <= HTTP_PATH_MAX && ev->path_len);
		HOLD(!q->status && !q->handler_began);
		HOLD(ev->path[0] == '/' || ev->path[0] == '*');
		life->begun++;
		break;
	case TRACK_HANDLED:
		HOLD(life->handled < life->begun);
		life->handled++;
		break;
	case TRACK_ANSWERED:
		HOLD(life->ended < life->begun && !life->answered);
		HOLD(q->status >= 100 && q->first_out);
		life->answered = true;
		break;
	case TRACK_CHUNK:
		HOLD(life->answered && q->parts);
		break;
	case TRACK_ENDED:
		HOLD(life->ended < life->begun);
		HOLD(life->answered == (q->status != 0));
		HOLD(q->status || q->flags & (TRACK_CUT | TRACK_GUESSED));
		life->ended++;
		if (life->handled < life->ended)
			life->handled = life->ended;
		life->answered = false;
		break;
	}
}

static void set_up(void)
{
	rig.track_size = track_size(CONNECTIONS);
	rig.track_memory =
		aligned_alloc(64, (rig.track_size + 63) & ~(size_t)63);
	rig.routes_memory = malloc(routes_size());
	if (!rig.track_memory || !rig.routes_memory)
		abort();
}

static void begin(void)
{
	memset(rig.track_memory, 0, rig.track_size);
	memset(rig.routes_memory, 0, routes_size());
	memset(rig.lives, 0, sizeof(rig.lives));
	rig.routes = routes_init(rig.routes_memory);
	routes_add_template(rig.routes, "/{a}-{b}/{rest:path}.{c}");
	rig.track = track_init(rig.track_memory, CONNECTIONS, rig.routes, sink,
			       NULL);
	rig.now = 1;
	track_open(rig.track, 1);
}

struct input {
	const uint8_t *at;
	const uint8_t *end;
};

static size_t left(const struct input *in)
{
	return (size_t)(in->end - in->at);
}

/* A copy of exactly its size, so that what reads past it is caught. */
static void feed(struct input *in, uint64_t key, uint8_t what, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct track_feed feed = {
		.way = what & 1 ? TRACK_OUT : TRACK_IN,
		.bytes = copy,
		.seen = len,
		.total = len,
		.at = rig.now,
	};

	memcpy(copy, in->at, len);
	if (what & 4)
		feed.total += (uint64_t)what << (what >> 6);
	if (what & 8)
		feed.arrived = rig.now - 1;
	track_feed(rig.track, key, &feed);
	free(copy);
}

static void step(struct input *in)
{
	uint8_t what = in->at[0];
	uint64_t key = what & 2 ? 2 : 1;
	size_t len = in->at[1];

	in->at += 2;
	if (len == 255 || len > left(in))
		len = left(in);
	rig.now += 1 + (what >> 4);
	if ((what & 0x30) == 0x30 && !(what & 1)) {
		track_sweep(rig.track, rig.now, 3);
	} else if ((what & 0x30) == 0x20 && what & 0x80) {
		track_close(rig.track, key, rig.now);
		HOLD(rig.lives[key].begun == rig.lives[key].ended);
		if (what & 0x40)
			track_open(rig.track, key);
		else
			track_follow(rig.track, key);
	}
	feed(in, key, what, len);
	in->at += len;
}

static void check_tracker(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, bytes + size };
	unsigned ended = 0;

	begin();
	while (left(&in) >= 2)
		step(&in);
	rig.now++;
	for (uint64_t key = 1; key <= 2; key++) {
		track_close(rig.track, key, rig.now);
		HOLD(rig.lives[key].begun == rig.lives[key].ended);
		HOLD(!track_knows(rig.track, key));
		ended += rig.lives[key].ended;
	}
	HOLD(track_counted(rig.track, TRACK_REQUESTS) == ended);
	HOLD(routes_count(rig.routes) <= ROUTES_MAX);
	HOLD(!track_counted(rig.track, TRACK_BUSY));
}

/* A digest of the events, pieces of a body taken together. */
struct digest {
	uint64_t value;
	uint64_t body;
	bool over; /* lost: where it goes on depends on the pieces */
};

static void mix(struct digest *d, uint64_t value)
{
	d->value = (d->value ^ value) * 0x9e3779b97f4a7c15ULL;
	d->value ^= d->value >> 29;
}

static void digest_event(struct digest *d, const struct http_event *ev)
{
	if (d->over || ev->type == HTTP_MORE)
		return;
	if (ev->type == HTTP_DATA) {
		d->body += ev->size;
		return;
	}
	mix(d, d->body);
	d->body = 0;
	mix(d, (uint64_t)ev->type << 32 | (uint64_t)ev->method << 24 |
		       (uint64_t)ev->body << 20 | (uint64_t)ev->foreign << 16 |
		       ev->status);
	mix(d, ev->size ^ ev->length << 32);
	for (unsigned i = 0; i < ev->path_len; i++)
		mix(d, (uint8_t)ev->path[i]);
	d->over = ev->type == HTTP_LOST;
}

static void digest_piece(struct digest *d, struct http_parser *p,
			 const uint8_t *bytes, size_t len)
{
	struct http_event ev;
	size_t at = 0;

	do {
		size_t n = http_parse(p, bytes + at, len - at, &ev);

		HOLD(n <= len - at);
		at += n;
		HOLD(ev.type != HTTP_MORE || at == len);
		digest_event(d, &ev);
	} while (ev.type != HTTP_MORE);
}

enum cut { WHOLE, ONE_BY_ONE, AT_RANDOM };

/* The next piece of @size bytes. */
static size_t piece_of(enum cut cut, size_t size, uint32_t *seed)
{
	size_t len = cut == WHOLE ? size : 1;

	*seed = *seed * 1664525u + 1013904223u;
	if (cut == AT_RANDOM)
		len += *seed >> 26;
	return len < size ? len : size;
}

static struct digest digest_of(enum http_side side, const uint8_t *bytes,
			       size_t size, enum cut cut)
{
	struct digest d = { 0, 0, false };
	struct http_parser p;
	uint32_t seed = (uint32_t)size;
	size_t len;

	http_parser_init(&p, side);
	http_answering(&p, HTTP_GET);
	for (; size && !d.over; bytes += len, size -= len) {
		uint8_t one = *bytes, *copy = &one;

		len = piece_of(cut, size, &seed);
		if (len > 1)
			copy = memcpy(malloc(len), bytes, len);
		digest_piece(&d, &p, copy, len);
		if (copy != &one)
			free(copy);
	}
	mix(&d, d.body);
	return d;
}

static void check_parser(enum http_side side, const uint8_t *bytes, size_t size)
{
	struct digest whole = digest_of(side, bytes, size, WHOLE);

	HOLD(whole.value == digest_of(side, bytes, size, ONE_BY_ONE).value);
	HOLD(whole.value == digest_of(side, bytes, size, AT_RANDOM).value);
}

/* Whatever the path and however little room: one printable word. */
static void check_route(const uint8_t *bytes, size_t size)
{
	size_t room = size ? 1 + bytes[0] % ROUTE_TEXT_MAX : 1;
	char *out = malloc(room);
	size_t len = route_normalise(out, room, (const char *)bytes, size);

	HOLD(len < room && strlen(out) == len);
	for (size_t i = 0; i < len; i++)
		HOLD(out[i] > ' ' && out[i] < 0x7f);
	HOLD(!strchr(out, '?') && !strchr(out, '#') && !strchr(out, ';'));
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!rig.track_memory)
		set_up();
	if (size >= 2) { /* the first step's own bytes, and all that follow */
		check_parser(HTTP_REQUESTS, bytes + 2, size - 2);
		check_parser(HTTP_RESPONSES, bytes + 2, size - 2);
	}
	check_route(bytes, size);
	check_tracker(bytes, size);
	return 0;
}
