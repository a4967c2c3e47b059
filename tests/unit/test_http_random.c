/*
 * Random conversations against what is known of them by construction: each
 * byte's time of passing gives the times that the tracker must tell.
 */
#include <criterion/criterion.h>

#include "tests/unit/http_track_rig.h"

#define EXCHANGES 24
#define STREAM	  32768

/* One way: its bytes, which of them are body, and when each went by. */
struct stream {
	char bytes[STREAM];
	bool body[STREAM];
	uint64_t when[STREAM];
	size_t len;
	size_t fed;
};

struct exchange {
	const char *method;
	unsigned status;
	size_t in, in_head, in_end;		  /* in stream `in` */
	size_t out, out_final, out_body, out_end; /* in stream `out` */
	unsigned parts;
	bool chunked;
};

struct talk {
	struct stream in, out;
	struct exchange exchanges[EXCHANGES];
	struct rig *rig;
	unsigned ended;
	uint32_t seed;
	uint64_t now;
};

static uint32_t below(struct talk *t, uint32_t limit)
{
	t->seed = t->seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)t->seed * limit) >> 32);
}

static void put(struct stream *s, bool body, const char *text, size_t len)
{
	memcpy(s->bytes + s->len, text, len);
	memset(s->body + s->len, body, len);
	s->len += len;
	cr_assert_lt(s->len, STREAM);
}

static void put_text(struct stream *s, const char *text)
{
	put(s, false, text, strlen(text));
}

static void put_body(struct talk *t, struct stream *s, size_t len)
{
	static const char bytes[] = "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nGET / "
				    "HTTP/1.1\r\n\r\nfffffff\r\n\r\n";

	for (size_t i = 0; i < len; i++)
		put(s, true, &bytes[below(t, sizeof(bytes))], 1);
}

/* Returns how many parts. */
static unsigned put_chunks(struct talk *t, struct stream *s)
{
	unsigned n = below(t, 5);
	char line[32];

	for (unsigned i = 0; i < n; i++) {
		size_t len = 1 + below(t, 90);

		snprintf(line, sizeof(line), "%zX%s\r\n", len,
			 below(t, 2) ? ";x=\"y\"" : "");
		put_text(s, line);
		put_body(t, s, len);
		put_text(s, "\r\n");
	}
	put_text(s, below(t, 3) ? "0\r\n\r\n" : "000;z\r\nT: x\r\n\r\n");
	return n;
}

/* A body behind its head, which it ends; returns where the head ended. */
static size_t put_framed(struct talk *t, struct stream *s, struct exchange *x,
			 bool bodiless)
{
	char line[64];
	size_t len = below(t, 3) ? below(t, 300) : 0, head;
	bool chunked = below(t, 3) == 0;

	if (chunked)
		put_text(s, "transfer-Encoding:chunked\r\n");
	else if (len || s->bytes[0] == 'H' || bodiless) {
		snprintf(line, sizeof(line), "CONTENT-LENGTH:  %zu \r\n", len);
		put_text(s, line);
	}
	put_text(s, "X-Pad: 0\r\n\r\n");
	head = s->len;
	x->chunked = chunked && !bodiless;
	x->parts = 0;
	if (bodiless)
		return head;
	if (chunked)
		x->parts = put_chunks(t, s);
	else
		put_body(t, s, len);
	return head;
}

static void put_request(struct talk *t, struct exchange *x)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT" };
	char line[128];

	x->method = methods[below(t, 4)];
	x->in = t->in.len;
	snprintf(line, sizeof(line), "%s /items/%u%s HTTP/1.1\r\n", x->method,
		 below(t, 100000), below(t, 2) ? "?q=1" : "");
	put_text(&t->in, line);
	x->in_head = put_framed(t, &t->in, x, false);
	x->in_end = t->in.len;
}

static void put_answer(struct talk *t, struct exchange *x)
{
	static const unsigned statuses[] = { 200, 201, 204, 304, 404, 503 };
	bool bodiless;
	char line[64];

	x->out = t->out.len;
	x->status = statuses[below(t, 6)];
	bodiless = x->status == 204 || x->status == 304 ||
		   !strcmp(x->method, "HEAD");
	for (unsigned i = below(t, 3); i; i--)
		put_text(&t->out, "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n");
	x->out_final = t->out.len;
	snprintf(line, sizeof(line), "HTTP/1.1 %u\r\n", x->status);
	put_text(&t->out, line);
	x->out_body = put_framed(t, &t->out, x, bodiless);
	while (x->out_body < t->out.len && !t->out.body[x->out_body])
		x->out_body++;
	x->out_end = t->out.len;
}

static void check_ended(void *context, const struct track_event *ev)
{
	struct talk *t = context;
	const struct track_request *q = ev->request;
	const struct exchange *x = &t->exchanges[t->ended];
	uint64_t body = x->out_body < x->out_end ? t->out.when[x->out_body] : 0;

	if (ev->type != TRACK_ENDED)
		return;
	t->ended++;
	cr_assert_str_eq(http_method_name(q->method), x->method);
	cr_assert_eq(q->status, x->status);
	cr_assert_eq(q->flags & ~TRACK_STREAMED, 0);
	cr_assert_eq(q->first_in, t->in.when[x->in]);
	cr_assert_eq(q->handler_began, t->in.when[x->in_head - 1]);
	cr_assert_eq(q->first_out, t->out.when[x->out_final]);
	cr_assert_eq(q->first_body, body);
	cr_assert_eq(q->last_out, t->out.when[x->out_end - 1]);
	cr_assert_eq(q->bytes_in, x->in_end - x->in);
	cr_assert_eq(q->bytes_out, x->out_end - x->out_final);
	if (x->chunked)
		cr_assert_eq(q->parts, x->parts);
}

/* Of these bytes, how many come before the body that ends them? */
static size_t before_last_body(const struct stream *s, size_t len)
{
	while (len && s->body[s->fed + len - 1])
		len--;
	return len;
}

static void pass(struct talk *t, struct stream *s, enum track_way way,
		 size_t len)
{
	struct track_feed feed = { .way = way, .total = len, .seen = len };

	t->now += 1 + below(t, 50);
	feed.at = t->now;
	feed.bytes = s->bytes + s->fed;
	if (below(t, 3) == 0)
		feed.seen = before_last_body(s, len);
	for (size_t i = 0; i < len; i++)
		s->when[s->fed + i] = t->now;
	s->fed += len;
	cr_assert(track_feed(t->rig->track, 9, &feed));
}

/* How far the answers may be written: of requests read to their end. */
static size_t answerable(const struct talk *t)
{
	size_t end = 0;

	for (unsigned i = 0; i < EXCHANGES; i++)
		if (t->exchanges[i].in_end <= t->in.fed)
			end = t->exchanges[i].out_end;
	return end;
}

/* How far requests may be read, so that the pipeline can hold them. */
static size_t readable(const struct talk *t)
{
	unsigned last = t->ended + TRACK_PIPELINE_MAX - 1;

	return last < EXCHANGES ? t->exchanges[last].in_end : t->in.len;
}

static size_t some_of(struct talk *t, size_t left)
{
	size_t len = 1 + below(t, below(t, 4) ? 40 : 900);

	return len < left ? len : left;
}

static void talk(struct talk *t)
{
	while (t->ended < EXCHANGES) {
		size_t out = answerable(t) - t->out.fed;
		size_t in = readable(t) - t->in.fed;

		if (in && (!out || below(t, 2)))
			pass(t, &t->in, TRACK_IN, some_of(t, in));
		else
			pass(t, &t->out, TRACK_OUT, some_of(t, out));
	}
}

static void talk_of(uint32_t seed)
{
	struct talk *t = calloc(1, sizeof(*t));

	t->seed = seed;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		put_request(t, &t->exchanges[i]);
		put_answer(t, &t->exchanges[i]);
	}
	t->rig = rig_new();
	t->rig->track =
		track_init(memset(t->rig->track_memory, 0,
				  track_size(RIG_CONNECTIONS)),
			   RIG_CONNECTIONS, t->rig->routes, check_ended, t);
	track_open(t->rig->track, 9);
	talk(t);
	track_close(t->rig->track, 9, t->now);
	cr_assert_eq(t->ended, EXCHANGES);
	cr_assert_eq(track_counted(t->rig->track, TRACK_FRAMING_LOST), 0);
	rig_free(t->rig);
	free(t);
}

Test(http_random, each_request_is_told_with_its_times_and_bytes)
{
	for (uint32_t seed = 1; seed <= 400; seed++)
		talk_of(seed);
}
