/*
 * Where the bytes of a connection are cut is nobody's doing: the events of
 * each conversation are the same for every cut and every pair of cuts.
 */
#include <criterion/criterion.h>

#include "tests/unit/http_rig.h"

#define Y50 "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"

struct sample {
	enum http_side side;
	const char *bytes;
	size_t len;
};

#define READ(text)                                    \
	{                                             \
		HTTP_REQUESTS, text, sizeof(text) - 1 \
	}
#define WRITTEN(text)                                  \
	{                                              \
		HTTP_RESPONSES, text, sizeof(text) - 1 \
	}

static const struct sample samples[] = {
	READ("GET /users/42?x=1 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n"),
	READ("POST /v1/chat HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"q\":1}"
	     "GET / HTTP/1.0\r\n\r\n"),
	READ("PUT /up HTTP/1.1\r\ntransfer-encoding: gzip , Chunked \r\n\r\n"
	     "3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: x\r\n\r\n"
	     "DELETE /up HTTP/1.1\r\n\r\n"),
	READ("\r\n\r\nGET http://host:80/p?q HTTP/1.1\n\nOPTIONS * HTTP/1.1\n"
	     "\n\r\nCONNECT h:1 HTTP/1.1\r\n\r\n"),
	READ("GET /" Y50 Y50 Y50 "/z?" Y50 " HTTP/1.1\r\n\r\n"),
	READ("GET /12345" Y50 Y50 Y50 "yyyyyyyyyyy HTTP/1.1\r\n\r\n"),
	READ("GET /?" Y50 Y50 Y50 "yyyyyyyyyyyyyyyyy HTTP/1.1\r\n\r\n"),
	READ("GET / HTTP/1.1\r\nTransfer-Encoding: " Y50 Y50 Y50
	     ", chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
	READ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n"),
	READ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
	     "\r\nabc"),
	READ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabcdef\r\n"),
	READ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04"),
	READ("\x16\x03\x01\x02\x00\x01\n\x00"),
	READ("\x16\x04\x01\x02\x00\x01\x00"),
	READ("HTTP/1.1 200 OK\r\n\r\n"),
	READ("HTTP-GET / HTTP/1.1\r\n\r\n"),
	READ("*1\r\n$4\r\nPING\r\n"),
	READ("GET key\r\n"),
	READ("abcdefghijklmnopqrstuvwxyz / HTTP/1.1\r\n\r\n"),
	WRITTEN("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
	WRITTEN("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n"
		"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
	WRITTEN("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"9\r\ndata: a\n\n\r\nA\r\ndata: bb\n\n\r\n0\r\n\r\n"),
	WRITTEN("HTTP/1.0 200 OK\r\n\r\nup to the end\r\n"),
	WRITTEN("HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello"),
	WRITTEN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"5\r\nhelloX\r\n"),
	WRITTEN("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"fffffffffffffffff\r\n"),
	WRITTEN("\0\0\x12\x04\0\0\0\0\0\0\x03\0\0"),
	WRITTEN("\0\0\x12\x05\0\0\0\0\0\0\x03\0\0"),
	WRITTEN("GET / HTTP/1.1\r\n\r\n"),
	WRITTEN("HTTP/1.1 OK\r\n\r\n"),
};

#define NSAMPLES (sizeof(samples) / sizeof(samples[0]))

/* What is said of a sample in three pieces, the latter two from @a and @b. */
static void cut_at(struct said *s, const struct sample *m, size_t a, size_t b)
{
	struct http_parser p;

	buf_clear(&s->text);
	http_parser_init(&p, m->side);
	http_answering(&p, HTTP_GET);
	said_parse(s, &p, m->bytes, a);
	said_parse(s, &p, m->bytes + a, b - a);
	said_parse(s, &p, m->bytes + b, m->len - b);
	said_body(s);
}

/* How many of the pairs of cuts change what is said. */
static unsigned differences(const struct sample *m)
{
	struct said whole = { BUF_INIT, 0 }, cut = { BUF_INIT, 0 };
	unsigned different = 0;

	cut_at(&whole, m, 0, m->len);
	for (size_t a = 0; a <= m->len; a++) {
		for (size_t b = a; b <= m->len; b++) {
			cut_at(&cut, m, a, b);
			if (strcmp(cut.text.bytes, whole.text.bytes) &&
			    !different++)
				cr_log_error("cut at %zu and %zu:\n%s\nnot\n%s",
					     a, b, cut.text.bytes,
					     whole.text.bytes);
		}
	}
	said_fini(&whole);
	said_fini(&cut);
	return different;
}

static unsigned differences_one_by_one(const struct sample *m)
{
	struct said whole = { BUF_INIT, 0 }, bits = { BUF_INIT, 0 };
	struct http_parser p;
	int different;

	cut_at(&whole, m, 0, m->len);
	http_parser_init(&p, m->side);
	http_answering(&p, HTTP_GET);
	for (size_t i = 0; i < m->len; i++)
		said_parse(&bits, &p, m->bytes + i, 1);
	different = strcmp(said(&bits), whole.text.bytes) != 0;
	said_fini(&whole);
	said_fini(&bits);
	return (unsigned)different;
}

Test(http_splits, no_pair_of_cuts_changes_the_events)
{
	for (size_t i = 0; i < NSAMPLES; i++)
		cr_expect_eq(differences(&samples[i]), 0, "sample %zu", i);
}

Test(http_splits, neither_do_bytes_that_come_one_by_one)
{
	for (size_t i = 0; i < NSAMPLES; i++)
		cr_expect_eq(differences_one_by_one(&samples[i]), 0,
			     "sample %zu", i);
}
