/*
 * parse: see parse.h.
 *
 *	START -> FIRST -> FIELDS -> BODY ----------------------> END_DUE ->
 *START
 *	                         -> SIZE -> CHUNK -> AFTER -> SIZE ...
 *	                            SIZE -> TRAILER -----------> END_DUE
 *	                         -> UNTIL_CLOSE, TUNNEL
 *
 * A state that is *due* consumes nothing: it tells its event and goes on.
 */
#include "profiler/http/parse.h"

#include "profiler/http/line.h"

enum state {
	START, /* between messages, over blank lines */
	FIRST, /* in the first line */
	FIELDS,
	BODY,
	UNTIL_CLOSE,
	SIZE,	 /* in the line that begins a chunk */
	CHUNK,	 /* in its bytes */
	AFTER,	 /* in the CRLF after them, of which `left` bytes remain */
	TRAILER, /* fields behind the last chunk */
	CHUNK_DUE,
	END_DUE,
	LOST_DUE,
	TUNNEL_DUE,
	LOST,
	PASSED, /* tunnelled, or foreign */
};

enum headers {
	HAS_LENGTH = 1,
	BAD_LENGTH = 2,
	CHUNKED = 4,
	CODED = 8, /* and not chunked: it ends with the connection */
	EVENT_STREAM = 16,
	IN_MESSAGE = 32, /* whether being lost can end at a chunk */
	SEEN = 64,	 /* a message: what is odd from now on is a loss */
};

/* Servers accept 8 to 64 KiB; what has more is no head of anybody. */
#define HEAD_MAX (1 << 20)

void http_parser_init(struct http_parser *p, enum http_side side)
{
	p->left = 0;
	p->chunk_size = 0;
	p->length = 0;
	p->line_total = 0;
	p->head_total = 0;
	p->state = START;
	p->side = (uint8_t)side;
	p->answering = HTTP_OTHER;
	p->headers = 0;
	p->status = 0;
	p->body = HTTP_BODY_NONE;
	p->began = HTTP_OTHER;
}

void http_answering(struct http_parser *p, enum http_method method)
{
	p->answering = (uint8_t)method;
}

bool http_between(const struct http_parser *p)
{
	return p->state == START;
}

/* Add @n bytes to the line that is put together. */
static void keep(struct http_parser *p, const uint8_t *bytes, size_t n)
{
	uint8_t *tail = p->tail;
	size_t old = n < HTTP_LINE_TAIL ? HTTP_LINE_TAIL - n : 0;
	size_t at = p->line_total;

	for (size_t i = 0; i < n && at < HTTP_LINE_BEGIN; i++)
		p->line[at++] = bytes[i];
	for (size_t i = 0; i < old; i++)
		tail[i] = tail[i + HTTP_LINE_TAIL - old];
	for (size_t i = old; i < HTTP_LINE_TAIL; i++)
		tail[i] = bytes[n - HTTP_LINE_TAIL + i];
	p->line_total += (uint32_t)n;
}

/*
 * Consume up to the end of the line.  False: it does not end here, or the
 * head is too long, which too_long() tells.
 */
static bool take_line(struct http_parser *p, const uint8_t *bytes, size_t len,
		      size_t *used, struct http_line *line)
{
	const uint8_t *lf = line_feed(bytes, len);
	size_t piece = lf ? (size_t)(lf - bytes) : len;

	*used = piece + (lf != NULL);
	if (*used > HEAD_MAX - p->head_total) {
		p->head_total = HEAD_MAX + 1;
		return false;
	}
	p->head_total += (uint32_t)*used;
	if (lf && !p->line_total) {
		line_set(line, bytes, lf, piece);
		return true;
	}
	keep(p, bytes, piece);
	if (!lf)
		return false;
	line_set(line, p->line, p->tail + HTTP_LINE_TAIL, p->line_total);
	p->line_total = 0;
	return true;
}

static bool too_long(const struct http_parser *p)
{
	return p->head_total > HEAD_MAX;
}

/* All that is left of these bytes is passed over. */
static size_t lose(struct http_parser *p, struct http_event *ev, size_t len)
{
	p->state = LOST;
	p->line_total = 0;
	ev->type = HTTP_LOST;
	return len;
}

static size_t refuse(struct http_parser *p, struct http_event *ev,
		     enum http_foreign foreign, size_t len)
{
	if (p->headers & SEEN) {
		p->headers &= (uint8_t)~IN_MESSAGE;
		return lose(p, ev, len);
	}
	p->state = PASSED;
	ev->type = HTTP_NOT_HTTP;
	ev->foreign = foreign;
	return len;
}

static enum http_foreign foreign_of(enum line_judgement judgement)
{
	switch (judgement) {
	case LINE_TLS:
		return HTTP_TLS;
	case LINE_HTTP_2:
		return HTTP_2;
	case LINE_OTHER_WAY:
		return HTTP_OTHER_WAY;
	default:
		return HTTP_GARBAGE;
	}
}

/* Begin a message whose first line is whole.  False: it is none. */
static bool begin_message(struct http_parser *p, const struct http_line *line,
			  struct http_event *ev)
{
	if (p->side == HTTP_REQUESTS) {
		if (!line_request(line, ev))
			return false;
		p->began = (uint8_t)ev->method;
	} else {
		p->status = line_status(line);
		if (!p->status)
			return false;
		ev->status = p->status;
	}
	p->state = FIELDS;
	p->headers = SEEN | IN_MESSAGE;
	ev->type = HTTP_LINE;
	return true;
}

/* A first line that does not begin a message. */
static size_t odd_line(struct http_parser *p, const struct http_line *line,
		       struct http_event *ev, size_t used, size_t len)
{
	enum line_judgement judgement =
		line_judge(line->begin, line->kept, p->side);
	struct http_event unused;

	if (p->side == HTTP_REQUESTS) {
		if (line_http2(line))
			judgement = LINE_HTTP_2;
		if (line_proxy(line) && !(p->headers & SEEN)) {
			p->state = START;
			return used;
		}
	} else if (line_request(line, &unused)) {
		judgement = LINE_OTHER_WAY;
	}
	return refuse(p, ev, foreign_of(judgement), len);
}

static size_t first_line(struct http_parser *p, const uint8_t *bytes,
			 size_t len, struct http_event *ev)
{
	enum line_judgement judgement;
	struct http_line line;
	size_t used;

	if (take_line(p, bytes, len, &used, &line))
		return begin_message(p, &line, ev)
			       ? used
			       : odd_line(p, &line, ev, used, len);
	if (too_long(p))
		return refuse(p, ev, HTTP_GARBAGE, len);
	judgement =
		line_judge(p->line,
			   p->line_total < HTTP_LINE_BEGIN ? p->line_total
							   : HTTP_LINE_BEGIN,
			   p->side);
	if (judgement != LINE_FINE)
		return refuse(p, ev, foreign_of(judgement), len);
	return used;
}

static size_t start(struct http_parser *p, const uint8_t *bytes, size_t len)
{
	size_t i = 0;

	while (i < len && (bytes[i] == '\r' || bytes[i] == '\n'))
		i++;
	if (i < len) {
		p->state = FIRST;
		p->head_total = 0;
		p->line_total = 0;
	}
	return i;
}

static void take_field(struct http_parser *p, const struct http_line *line)
{
	uint64_t value = 0;

	switch (line_field(line, &value)) {
	case FIELD_LENGTH:
		if (p->headers & HAS_LENGTH && p->length != value)
			p->headers |= BAD_LENGTH;
		p->headers |= HAS_LENGTH;
		p->length = value;
		break;
	case FIELD_BAD_LENGTH:
		p->headers |= BAD_LENGTH;
		break;
	case FIELD_CHUNKED:
		p->headers = (uint8_t)((p->headers & ~CODED) | CHUNKED);
		break;
	case FIELD_CODED:
		p->headers = (uint8_t)((p->headers & ~CHUNKED) | CODED);
		break;
	case FIELD_EVENT_STREAM:
		p->headers |= EVENT_STREAM;
		break;
	case FIELD_OTHER:
		break;
	}
}

/* RFC 9112, 6.3: 1xx, 204, 304 and answers to HEAD have none. */
static bool bodiless(const struct http_parser *p)
{
	return p->side == HTTP_RESPONSES &&
	       (p->status < 200 || p->status == 204 || p->status == 304 ||
		p->answering == HTTP_HEAD);
}

static bool tunnels(const struct http_parser *p)
{
	return p->side == HTTP_RESPONSES &&
	       (p->status == 101 ||
		(p->answering == HTTP_CONNECT && p->status / 100 == 2));
}

static enum state body_of(struct http_parser *p)
{
	p->left = 0;
	p->body = HTTP_BODY_NONE;
	if (tunnels(p))
		return TUNNEL_DUE;
	if (bodiless(p))
		return END_DUE;
	if (p->headers & CHUNKED) {
		p->body = HTTP_BODY_CHUNKED;
		p->head_total = 0;
		return SIZE;
	}
	if (p->headers & CODED) {
		p->body = HTTP_BODY_UNTIL_CLOSE;
		return UNTIL_CLOSE;
	}
	if (p->headers & BAD_LENGTH)
		return LOST_DUE;
	if (p->headers & HAS_LENGTH) {
		p->body = HTTP_BODY_LENGTH;
		p->left = p->length;
		return p->left ? BODY : END_DUE;
	}
	if (p->side == HTTP_REQUESTS)
		return END_DUE;
	p->body = HTTP_BODY_UNTIL_CLOSE;
	return UNTIL_CLOSE;
}

static void say_headed(struct http_parser *p, struct http_event *ev)
{
	p->state = (uint8_t)body_of(p);
	ev->type = HTTP_HEADED;
	ev->body = (enum http_body)p->body;
	ev->length = p->body == HTTP_BODY_LENGTH ? p->length : 0;
	ev->event_stream = (p->headers & EVENT_STREAM) != 0;
	if (p->side == HTTP_REQUESTS)
		ev->method = (enum http_method)p->began;
	else
		ev->status = p->status;
}

/* The bytes of whole fields that say nothing about the framing. */
static size_t dull_fields(struct http_parser *p, const uint8_t *bytes,
			  size_t len)
{
	size_t used = 0;

	while (used < len && line_is_dull(bytes[used])) {
		const uint8_t *lf = line_feed(bytes + used, len - used);
		size_t end = lf ? (size_t)(lf + 1 - bytes) : 0;

		if (!lf || end > HEAD_MAX - p->head_total)
			break;
		used = end;
	}
	p->head_total += (uint32_t)used;
	return used;
}

static size_t fields(struct http_parser *p, const uint8_t *bytes, size_t len,
		     struct http_event *ev)
{
	struct http_line line;
	size_t used = p->line_total ? 0 : dull_fields(p, bytes, len);

	if (used)
		return used;
	if (!take_line(p, bytes, len, &used, &line)) {
		if (!too_long(p))
			return used;
		p->headers &= (uint8_t)~IN_MESSAGE;
		return lose(p, ev, len);
	}
	if (line.len)
		take_field(p, &line);
	else
		say_headed(p, ev);
	return used;
}

static size_t chunk_size(struct http_parser *p, const uint8_t *bytes,
			 size_t len, struct http_event *ev)
{
	struct http_line line;
	size_t used;

	if (!take_line(p, bytes, len, &used, &line))
		return too_long(p) ? lose(p, ev, len) : used;
	if (!line_chunk_size(&line, &p->chunk_size))
		return lose(p, ev, len);
	p->left = p->chunk_size;
	p->head_total = 0;
	p->state = p->left ? CHUNK : TRAILER;
	return used;
}

static size_t trailer(struct http_parser *p, const uint8_t *bytes, size_t len,
		      struct http_event *ev)
{
	struct http_line line;
	size_t used;

	if (!take_line(p, bytes, len, &used, &line))
		return too_long(p) ? lose(p, ev, len) : used;
	if (!line.len)
		p->state = END_DUE;
	return used;
}

static size_t after_chunk(struct http_parser *p, const uint8_t *bytes,
			  size_t len, struct http_event *ev)
{
	if (bytes[0] == '\n') {
		p->state = SIZE;
		p->head_total = 0;
		p->line_total = 0;
	} else if (bytes[0] == '\r' && p->left == 2) {
		p->left = 1;
	} else {
		return lose(p, ev, len);
	}
	return 1;
}

/* Of a body @count bytes came, seen or not; returns how many are its own. */
static uint64_t body_bytes(struct http_parser *p, uint64_t count,
			   struct http_event *ev)
{
	uint64_t size = count;

	if (p->state != UNTIL_CLOSE) {
		size = p->left < count ? p->left : count;
		p->left -= size;
		if (!p->left)
			p->state = p->state == BODY ? END_DUE : CHUNK_DUE;
	}
	ev->type = HTTP_DATA;
	ev->size = size;
	return size;
}

static bool due(const struct http_parser *p)
{
	return p->state >= CHUNK_DUE && p->state <= TUNNEL_DUE;
}

static void say_due(struct http_parser *p, struct http_event *ev)
{
	switch (p->state) {
	case CHUNK_DUE:
		ev->type = HTTP_CHUNK;
		ev->size = p->chunk_size;
		p->state = AFTER;
		p->left = 2;
		break;
	case END_DUE:
		ev->type = HTTP_END;
		p->state = START;
		p->answering = HTTP_OTHER;
		p->headers &= SEEN;
		break;
	case TUNNEL_DUE:
		ev->type = HTTP_TUNNEL;
		p->state = PASSED;
		break;
	default: /* LOST_DUE; which chunks follow is not known either */
		p->headers &= (uint8_t)~IN_MESSAGE;
		lose(p, ev, 0);
		break;
	}
}

/* A buffer that begins with a message, or with a chunk of the one lost in. */
static bool found_again(struct http_parser *p, const uint8_t *bytes, size_t len)
{
	const uint8_t *lf = line_feed(bytes, len);
	struct http_event unused;
	struct http_line line;
	uint64_t size;

	if (!lf)
		return false;
	line_set(&line, bytes, lf, (size_t)(lf - bytes));
	if (p->side == HTTP_REQUESTS ? line_request(&line, &unused)
				     : line_status(&line) != 0) {
		p->state = START;
		return true;
	}
	if (!(p->headers & IN_MESSAGE) || p->body != HTTP_BODY_CHUNKED ||
	    line.len == (size_t)(lf - bytes) || !line_chunk_size(&line, &size))
		return false;
	p->state = SIZE;
	p->head_total = 0;
	p->line_total = 0;
	return true;
}

static size_t step(struct http_parser *p, const uint8_t *bytes, size_t len,
		   struct http_event *ev)
{
	switch (p->state) {
	case START:
		return start(p, bytes, len);
	case FIRST:
		return first_line(p, bytes, len, ev);
	case FIELDS:
		return fields(p, bytes, len, ev);
	case BODY:
	case CHUNK:
	case UNTIL_CLOSE:
		return (size_t)body_bytes(p, len, ev);
	case SIZE:
		return chunk_size(p, bytes, len, ev);
	case AFTER:
		return after_chunk(p, bytes, len, ev);
	case TRAILER:
		return trailer(p, bytes, len, ev);
	case LOST:
		return found_again(p, bytes, len) ? 0 : len;
	default: /* PASSED */
		return len;
	}
}

size_t http_parse(struct http_parser *p, const uint8_t *bytes, size_t len,
		  struct http_event *ev)
{
	size_t used = 0;

	*ev = (struct http_event) { .type = HTTP_MORE };
	while (ev->type == HTTP_MORE) {
		if (due(p))
			say_due(p, ev);
		else if (used < len)
			used += step(p, bytes + used, len - used, ev);
		else
			break;
	}
	return ev->type == HTTP_LOST ? len : used;
}

/* What the unseen bytes are where no body is. */
static uint64_t skip_framing(struct http_parser *p, uint64_t count,
			     struct http_event *ev)
{
	if (p->state == LOST || p->state == PASSED)
		return count;
	if (p->state == AFTER && count >= p->left) {
		count = p->left;
		p->state = SIZE;
		p->head_total = 0;
		p->line_total = 0;
		return count;
	}
	if (p->state == AFTER) {
		p->left -= count;
		return count;
	}
	if (p->state <= FIELDS)
		p->headers &= (uint8_t)~IN_MESSAGE;
	return lose(p, ev, 0), count;
}

uint64_t http_skip(struct http_parser *p, uint64_t count, struct http_event *ev)
{
	uint64_t used = 0;

	*ev = (struct http_event) { .type = HTTP_MORE };
	while (ev->type == HTTP_MORE) {
		if (due(p))
			say_due(p, ev);
		else if (used == count)
			break;
		else if (p->state == BODY || p->state == CHUNK ||
			 p->state == UNTIL_CLOSE)
			used += body_bytes(p, count - used, ev);
		else
			used += skip_framing(p, count - used, ev);
	}
	return ev->type == HTTP_LOST ? count : used;
}
